"""Sequences in, sequences out: encoders and decoders, attention, the Transformer."""
