"""The operator's pages, over the services: a web application of its own, with its state in one process."""
