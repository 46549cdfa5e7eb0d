"""The download stage: raw files brought to one folder and verified."""
