"""What counts as a download of an output."""

from typing import Any

import pytest

from framemill.jobs.settings import OutputSettings
from framemill.services.outputs import is_download

CUT = {"cut_count": 12}
PICTURES = {"container": "jpg", "picture": "thumbnails"}
BOARD = {"container": "jpg", "picture": "storyboard"}
PACKAGE = {"container": "package"}


@pytest.mark.parametrize(
    ("settings", "path", "counts"),
    [
        ({}, "output.mp4", True),
        (CUT, "0001.mp4", True),
        (CUT, "0002.mp4", False),
        (CUT, "0011.mp4", False),
        (CUT | {"archive": True}, "output.zip", True),
        (CUT | {"archive_above": 2}, "output.zip", True),
        (PICTURES, "0001.jpg", True),
        (PICTURES, "0010.jpg", False),
        (BOARD, "storyboard-001.jpg", True),
        (BOARD, "storyboard-011.jpg", False),
        (PACKAGE, "master.m3u8", True),
        (PACKAGE, "video.mp4", True),
        (PACKAGE, "720p/00001.m4s", False),
        (PACKAGE | {"archive": True}, "output.zip", True),
    ],
    ids=str,
)
def test_whoever_has_one_file_of_several_has_the_output(settings: dict[str, Any], path: str, counts: bool) -> None:
    assert is_download(OutputSettings.model_validate(settings), path) is counts
