"""Training: the loop, checkpoints, logs and the run that ties them to a directory."""
