"""Pictures that hold still where their source does: the stabiliser, and the measure of flicker."""
