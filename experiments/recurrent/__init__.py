"""Experiments with recurrent networks."""
