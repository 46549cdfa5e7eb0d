"""Published weights of networks that are never trained here: a table, and how they come to this machine."""
