"""The pack stage: raw files read, decoded, checked and written as HDF5."""
