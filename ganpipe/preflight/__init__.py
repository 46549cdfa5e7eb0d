"""`ganpipe check`: tests of about a minute before hours of training. Nothing here decides a result."""
