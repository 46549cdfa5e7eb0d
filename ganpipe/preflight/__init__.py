"""What `ganpipe check` does: a minute of tests before hours of training. Nothing here decides a result."""
