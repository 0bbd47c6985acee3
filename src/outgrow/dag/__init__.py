"""The graph of steps: keys, store, scheduler, backends. Knows no machine learning and imports nothing of ours."""
