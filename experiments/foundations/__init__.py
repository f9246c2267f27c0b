"""Experiments with what deep learning is built from: neurons, gradients, regularization."""
