"""What a sandboxed process can do, and what becomes of one that tries more."""
