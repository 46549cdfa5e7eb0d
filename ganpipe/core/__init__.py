"""The centre: the base class of systems, fields of data, inputs of generators, batches and optimizers."""
