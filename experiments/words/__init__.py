"""Experiments with vectors of words, and with texts as bags of words."""
