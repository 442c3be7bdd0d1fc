"""Where the odd real clips are, which are test data beside the project and no part of it."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("FRAMEMILL_TEST_MEDIA") or Path(__file__).parents[2] / "shared" / "media")
