"""The step functions, one file a kind; imported by workers only."""
