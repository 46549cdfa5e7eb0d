"""Scores of generated items: distances between feature sets, and the extractors that turn items into features."""
