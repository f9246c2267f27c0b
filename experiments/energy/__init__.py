"""Learning without labels: energies, codes, clusters."""
