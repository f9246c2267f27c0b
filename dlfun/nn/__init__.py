"""Neural networks: layers, models, losses, activations and initializers."""
