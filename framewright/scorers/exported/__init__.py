"""Models that the user has exported, with a declaration of the values that they take and give."""
