"""Chains of ffmpeg's filters, read into fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.errors import InvalidSetting
from framemill.jobs.settings import OutputSettings
from framemill.jobs.words.filters import filters
from framemill.jobs.words.said import Chosen, Said

H264 = Chosen(video="h264", audio="aac")


def read(chain: str) -> dict[str, Any]:
    return filters(Said("vf", "filter", "v", chain), H264)


@pytest.mark.parametrize(
    ("chain", "fields"),
    [
        ("scale=1280:-2", {"width": "1280", "height": None}),
        ("scale=w=1280:h=720:force_original_aspect_ratio=decrease", {"width": "1280", "height": "720"}),
        (
            "scale=1280:720:force_original_aspect_ratio=decrease,pad=1280:720:(ow-iw)/2:(oh-ih)/2:black,setsar=1",
            {"width": "1280", "height": "720", "fit": "pad"},
        ),
        ("scale=64:48:force_original_aspect_ratio=decrease,pad=64:48:-1:-1:color=black",
         {"width": "64", "height": "48", "fit": "pad"}),
        ("scale=64:48:force_original_aspect_ratio=increase,crop=64:48",
         {"width": "64", "height": "48", "fit": "fill"}),
        ("crop=100:50", {"crop": "100:50"}),
        ("yadif,crop=100:50:0:2,vflip,fps=25", {"deinterlace": "frame", "crop": "100:50:0:2", "rotate": 0,
                                                "flip": "vertical", "fps": "25", "fps_mode": "force"}),
        ("bwdif", {"deinterlace": "field"}),
        ("yadif=1:-1:0", {"deinterlace": "field"}),
        ("bwdif=mode=send_frame:parity=auto:deint=all", {"deinterlace": "frame"}),
        ("hqdn3d", {"denoise": "medium"}),
        ("hqdn3d=8:6:12:9,format=yuv420p10le", {"denoise": "heavy", "pix_fmt": "yuv420p10le"}),
        ("transpose=clock,transpose=clock", {"rotate": 180, "flip": "none"}),
        ("hflip,vflip", {"rotate": 180, "flip": "none"}),
        ("transpose=0", {"rotate": 270, "flip": "vertical"}),
        ("hflip,hflip", {"rotate": 0, "flip": "none"}),
    ],
)  # fmt: skip
def test_a_chain_becomes_fields(chain: str, fields: dict[str, Any]) -> None:
    assert read(chain) == fields
    OutputSettings.model_validate(fields)


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ("crop=64:64,yadif", "yadif comes too late"),
        ("scale=64:64,transpose=1", "transpose comes too late"),
        ("crop=64:64,crop=32:32", "crop takes W:H or W:H:X:Y in pixels of the source, once"),
        ("crop=iw-10:ih", "crop takes W:H"),
        ("crop=in_w/2:in_h", "crop takes W:H"),
        ("pad=640:480", "pad comes behind scale"),
        ("scale=64:48:force_original_aspect_ratio=decrease,pad=64:50:-1:-1", "pad puts black bars"),
        ("scale=64:48:force_original_aspect_ratio=decrease,pad=64:48:-1:-1:red", "pad puts black bars"),
        ("scale=64:48:force_original_aspect_ratio=decrease,pad=64:48", "pad puts black bars"),
        ("scale=64:48:force_original_aspect_ratio=increase", "or increase with the crop"),
        ("transpose=4", "transpose takes 0 to 3"),
        ("transpose=1:passthrough=landscape", "transpose takes 0 to 3"),
        ("yadif=0:0", "takes the order of fields from the source"),
        ("bwdif=2:0:1", "takes the order of fields from the source"),
        ("fps=25:round=up", "fps takes frames a second"),
        ("hqdn3d=1", "has three strengths"),
        ("format=yuv420p|yuv444p", "one pixel format"),
        ("setsar=2", "pixels keep their shape"),
        ("hflip=1", "takes nothing"),
        ("eq=brightness=0.1", "no field changes them"),
        ("subtitles=a.srt", "burn_subtitles"),
        ("nonsense", "scale, crop, pad, fps"),
        ("null;movie=/etc/passwd", "plain chain"),
        ("scale=64:64,", "scale, crop, pad, fps"),
    ],
)
def test_a_chain_that_would_come_out_otherwise_is_refused(chain: str, reason: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        read(chain)
    assert reason in refused.value.message


def turned(pixels: tuple[str, ...], way: str) -> tuple[str, ...]:
    """What ffmpeg's filter makes of a picture, its rows as strings."""
    columns = ("".join(column) for column in zip(*pixels, strict=True))
    if way == "hflip":
        return tuple(row[::-1] for row in pixels)
    if way == "vflip":
        return pixels[::-1]
    flipped = tuple(columns)  # transpose=cclock_flip
    if way in {"transpose=clock", "transpose=clock_flip"}:
        flipped = tuple(row[::-1] for row in flipped)
    return flipped[::-1] if way in {"transpose=cclock", "transpose=clock_flip"} else flipped


WAYS = ["hflip", "vflip", *(f"transpose={way}" for way in ("clock", "cclock", "clock_flip", "cclock_flip"))]
QUARTERS = {0: [], 90: ["transpose=clock"], 180: ["hflip", "vflip"], 270: ["transpose=cclock"]}
FLIPS = {"none": [], "horizontal": ["hflip"], "vertical": ["vflip"]}


@given(st.lists(st.sampled_from(WAYS), min_size=1, max_size=6))
def test_turns_and_mirrors_add_up(ways: list[str]) -> None:
    """However many there are, one turn and one mirror make the same picture."""
    expected: tuple[str, ...] = ("abc", "def")
    ours = expected
    for way in ways:
        expected = turned(expected, way)
    found = read(",".join(ways))
    for way in (*QUARTERS[found["rotate"]], *FLIPS[found["flip"]]):
        ours = turned(ours, way)
    assert ours == expected
