"""Models of the distribution of images: variational, autoregressive, adversarial."""
