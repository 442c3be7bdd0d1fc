"""What every test shares."""

# Framemill has to come before Ray: it switches off Ray's `uv run` hook, which Ray reads when it is imported.
import framemill  # noqa: F401
