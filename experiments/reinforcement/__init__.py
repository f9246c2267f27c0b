"""Learning to act: policies and the values of actions, from rewards."""
