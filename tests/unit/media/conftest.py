"""A source as it was read, without a file."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from framemill.media.index import FirstFrame
from framemill.media.inspection import Inspection, Packets
from framemill.media.source import Source

VIDEO = {"index": 0, "codec_type": "video", "codec_name": "h264", "time_base": "1/25"}
SOUND = {"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "44100"}


@pytest.fixture
def make_inspection() -> Callable[..., Inspection]:
    """An MP4 with one H.264 and one AAC stream, but for what is named; `more` streams come behind."""

    def make(*more: dict[str, Any], packets: Packets | None = None, **video: Any) -> Inspection:
        facts = {
            "format": {"format_name": video.pop("format", "mov,mp4")},
            "streams": [VIDEO | video, {**SOUND}, *more],
        }
        return Inspection(facts=facts, video=0, audio=1, packets=packets or Packets(), sha256="5" * 64)

    return make


@pytest.fixture
def source(make_inspection: Callable[..., Inspection]) -> Source:
    """640×360 at 25 fps from 0.4 s on, with sound from 1 s on and a text track of each kind."""
    texts = [
        {"index": 2, "codec_type": "subtitle", "codec_name": "subrip", "tags": {"language": "ger"}},
        {"index": 3, "codec_type": "subtitle", "codec_name": "dvd_subtitle", "tags": {"language": "fre"}},
        {"index": 4, "codec_type": "subtitle", "codec_name": "ass"},
    ]
    return Source(
        path="/in.mkv",
        inspection=make_inspection(*texts),
        first_picture=FirstFrame(
            time_base=Fraction(1, 25),
            pts=10,
            width=640,
            height=360,
            sample_aspect_ratio="1/1",
            pix_fmt="yuv420p",
            color_range="tv",
        ),
        first_sound=FirstFrame(time_base=Fraction(1, 44100), pts=44100),
    )
