"""Training: the loop that performs a system's updates, its checkpoints, moving average, scores and processes."""
