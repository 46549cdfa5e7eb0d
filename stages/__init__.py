"""The five stages of the pipeline, each one command: `python -m stages.download` and so on."""
