"""Networks only: explicit arguments, no config, no losses."""
