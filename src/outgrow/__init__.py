"""Weak-to-strong generalization, measured."""
