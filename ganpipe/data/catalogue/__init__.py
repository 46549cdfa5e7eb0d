"""The data sets ganpipe knows: what each holds, where its files come from, whose they are."""
