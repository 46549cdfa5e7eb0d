"""Experiment tracking: one experiment is one row of the MLflow table, whatever ran, was cached or was interrupted.

`identity` says which row, `slots` what belongs into it, `mlflow` talks to the store, `server` shows it.
"""
