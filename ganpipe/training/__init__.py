"""Training: the loop that performs a system's updates, and what makes it exact, resumable and distributed."""
