"""A conditional style network with its weights: paintings in one pass per frame."""
