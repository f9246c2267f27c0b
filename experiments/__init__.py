"""Experiments: one claim of the literature a file, launched by name."""
