"""The packed file: its schema, reading it, and the order in which a training is shown its rows."""
