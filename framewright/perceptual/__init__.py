"""Networks that losses look through, and where their weights are kept."""
