"""Where the odd real clips are, which are test data beside the project and no part of it."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("FRAMEMILL_TEST_MEDIA") or Path(__file__).parents[2] / "shared" / "media")


def shared_clip(name: str) -> Path:
    """One of them; the test is skipped where they are not."""
    if not FOLDER.is_dir():
        pytest.skip(f"the clips of {FOLDER} are not here; FRAMEMILL_TEST_MEDIA names another folder")
    return FOLDER / name
