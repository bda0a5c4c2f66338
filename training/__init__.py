"""Training of the weights that framewright ships; not part of the installed package."""
