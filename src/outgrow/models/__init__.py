"""Models: the catalogue (no torch), loading and heads (torch)."""
