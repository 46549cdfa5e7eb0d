"""The history of a training: its table of means, the panels that draw it, the diagnosis that reads it."""
