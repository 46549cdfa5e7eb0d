"""Data sets: the catalogue, the raw files, the packed HDF5 file, and the sampler that serves batches of it."""
