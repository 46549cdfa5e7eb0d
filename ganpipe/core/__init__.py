"""The centre: what a system is (`system`), what it learns from (`batch`), how its players step (`optim`)."""
