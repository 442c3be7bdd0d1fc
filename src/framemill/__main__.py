"""`python -m framemill`."""

from framemill.cli.main import run

run()
