"""How framewright is put somewhere: here, a whole stack on one machine."""
