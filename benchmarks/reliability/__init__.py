"""Losses when dlfun is killed, its files are damaged, or it is given bad command lines."""
