"""Networks that see a picture as features: what style losses look through."""
