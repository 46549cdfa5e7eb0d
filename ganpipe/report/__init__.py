"""Pages for people: `page` shows one experiment, `comparison` several side by side, each as one file without network.

`experiments` finds experiments, `read_files` reads their files, `scores`, `curves`, `params_table` and `provenance`
arrange the content for a page, `rendering` fills the templates, and `attach_to_run` copies the page to MLflow.
"""
