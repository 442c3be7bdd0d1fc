"""What is refused of a sound before its source is known."""

from typing import Any

import pytest
from pydantic import ValidationError

from framemill.jobs.settings import OutputSettings


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"container": "mp3", "video_codec": "none", "sample_rate": 96_000}, "mp3 takes 8000, .* not 96000"),
        ({"container": "mp3", "video_codec": "none", "audio_channels": 6}, "mp3 takes at most 2 channels, not 6"),
        ({"container": "mkv", "audio_codec": "ac3", "audio_channels": 8}, "ac3 takes at most 6 channels, not 8"),
        ({"container": "mkv", "audio_codec": "flac", "audio_bitrate": 128_000}, "flac keeps every sample"),
        ({"audio_codec": "none", "audio_bitrate": 128_000}, "audio_bitrate: with audio_codec none no sound is encoded"),
        ({"audio_codec": "copy", "loudness": -23}, "loudness: with audio_codec copy no sound is encoded"),
        ({"audio_codec": "copy", "start": 1}, "sound has to be encoded"),
        ({"true_peak": -3}, "true_peak: without loudness"),
        ({"audio_codec": "none", "audio_tracks": "all"}, "there is no sound"),
        ({"audio_tracks": ()}, "name each rank once"),
        ({"audio_tracks": (1, 1)}, "name each rank once"),
        ({"audio_tracks": (-1,)}, "name each rank once"),
        ({"container": "mp3", "video_codec": "none", "audio_tracks": "all"}, "mp3 holds one sound"),
        ({"container": "avi", "audio_tracks": (0, 1)}, "avi holds one sound"),
        (
            {"container": "ts", "audio_codec": "mp2", "audio_bitrate": 384_000}
            | {"sample_rate": 24_000, "audio_channels": 2},
            "mp2 with 2 channels at 24000 Hz takes 8000 to 160000 bits a second, not 384000",
        ),
    ],
)
def test_what_the_codec_cannot_do_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        OutputSettings(**settings)


def test_a_plan_that_was_written_can_be_read_again() -> None:
    """Of every field, also those that nobody has set."""
    for container in ("mp4", "mp3", "package", "jpg"):
        settings = OutputSettings.model_validate({"container": container} | _PICTURELESS.get(container, {}))
        assert OutputSettings.model_validate_json(settings.model_dump_json()) == settings


_PICTURELESS: dict[str, dict[str, Any]] = {"mp3": {"video_codec": "none"}}
