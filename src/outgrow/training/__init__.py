"""Finetuning: losses, batches, the loop, inference. Knows tensors, no tasks and no store."""
