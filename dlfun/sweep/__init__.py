"""Hyperparameter sweeps: search spaces from the command line, and what their trials show."""
