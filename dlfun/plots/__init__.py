"""Figures that more than one experiment draws."""
