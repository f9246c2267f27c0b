"""Makers of learners: from a model, a loss and an optimizer to `Learner`."""
