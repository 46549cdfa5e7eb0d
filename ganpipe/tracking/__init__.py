"""Experiment tracking: one experiment is one MLflow run, whether its stages ran, were cached or were interrupted.

Each file imports only files before it: entries, locations, experiment, stage_outputs, run, run_metadata, background,
relocation (of a moved store), store (MLflow), run_writer, pipeline (DVC), attempts (which run an experiment gets), api
(what others call), sync (`ganpipe track sync`), reproduce (`ganpipe reproduce`), server (`ganpipe ui`),
models (files of MLflow's models), promote (`ganpipe promote`), parents
(the runs of sweeps).
"""
