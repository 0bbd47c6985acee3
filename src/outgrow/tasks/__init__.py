"""Tasks: rows become examples, one small file a family. No torch."""
