"""What came before: features designed by hand, stage by stage, under a linear classifier."""
