"""The download stage: raw files brought to one folder, verified, whole or not at all."""
