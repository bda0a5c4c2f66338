"""The optimisation after Gatys et al. 2016, made steady from frame to frame, and fast."""
