"""What every test shares."""

from hypothesis import settings

# Framemill has to come before Ray: it switches off Ray's `uv run` hook, which Ray reads when it is imported.
import framemill  # noqa: F401

# Times are noisy: no example fails for being slow, as the first one is that imports something.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
