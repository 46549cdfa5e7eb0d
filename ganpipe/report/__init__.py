"""Pages to look at: `page` shows one experiment, `comparison` several side by side, each as one file without network.

`experiments` reads experiments, `material` what their files hold, `scores`, `curves`, `settings` and `provenance` make
of it what a page shows, and `rendering` fills the templates.
"""
