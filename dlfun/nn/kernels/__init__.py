"""Fast computation of convolutions on a CPU; no Flax here."""
