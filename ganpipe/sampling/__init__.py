"""From a generator to items: drawing its inputs, the published files, the sample stage and its pictures."""
