"""The presets that come with the farm, and which one a destination takes when none is named."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from framemill.errors import UnknownPreset
from framemill.jobs.settings import Container, OutputSettings, Rung, Value
from framemill.jobs.settings.kinds import FITTINGS


class Preset(Value):
    """A named set of output settings."""

    name: str
    """What `--preset` takes."""
    summary: str
    """One line for a person who chooses."""
    output: OutputSettings
    """The settings; the destination's container replaces the one named here."""


_HLS_LADDER = (Rung(height=1080, crf=22), Rung(height=720, crf=23), Rung(height=480, crf=23), Rung(height=360, crf=24))

_ALL = (
    Preset(name="h264", summary="H.264 at the source's size, plays everywhere", output=OutputSettings()),
    Preset(name="h264-1080p", summary="H.264, at most 1920×1080", output=OutputSettings(width=1920, height=1080)),
    Preset(name="h264-720p", summary="H.264, at most 1280×720", output=OutputSettings(width=1280, height=720)),
    Preset(name="h264-480p", summary="H.264, at most 854×480", output=OutputSettings(width=854, height=480)),
    Preset(name="h265", summary="H.265 (HEVC), about half of H.264's bytes", output=OutputSettings(video_codec="h265")),
    Preset(name="av1", summary="AV1 (SVT-AV1), the smallest files", output=OutputSettings(video_codec="av1")),
    Preset(
        name="vp9",
        summary="VP9 and Opus, for the web",
        output=OutputSettings(container="webm", video_codec="vp9", audio_codec="opus"),
    ),
    Preset(
        name="hls",
        summary="HLS package with 1080/720/480/360 renditions, never enlarged, and one MP4",
        output=OutputSettings(container="package", ladder=_HLS_LADDER),
    ),
    Preset(
        name="lossless",
        summary="Every frame bit by bit (x264 -qp 0): source size, rate, pixel format and times",
        output=OutputSettings(qp=0, encoder_preset="ultrafast", pix_fmt="source", audio_codec="alac"),
    ),
    Preset(
        name="usual",
        summary="What the destination's suffix usually holds: sound, pictures, older files",
        output=OutputSettings(),
    ),
    Preset(
        name="copy",
        summary="The source's own packets in another container",
        output=OutputSettings(video_codec="copy", audio_codec="copy"),
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})

DEFAULT_PRESET: Mapping[Container, str] = MappingProxyType(
    {container: "h264" if fitting.kind == "file" else "usual" for container, fitting in FITTINGS.items()}
    | {"webm": "vp9", "package": "hls"}
)


def preset_named(name: str) -> Preset:
    """The preset of that name; raises `UnknownPreset` with the near names."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=3, cutoff=0.4) or sorted(PRESETS)
    raise UnknownPreset(f"There is no preset {name!r}; there is {', '.join(near)}.")
