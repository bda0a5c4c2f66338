"""Video: probe, split, decode, encode, stitch, verify."""
