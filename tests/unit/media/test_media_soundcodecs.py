"""What is asked of each encoder of sound, and what each refuses."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.errors import InvalidSetting
from framemill.jobs.encoders.sounds import SOUND_CODECS, bit_rates, misfit_bits, nearest_bits
from framemill.jobs.settings import AudioCodec, OutputSettings
from framemill.media.options import Options
from framemill.media.soundcodecs import audio_encoder, carrier, channel_layout


def stream(rate: int, channels: int, **more: Any) -> dict[str, Any]:
    """The facts of a source's sound."""
    return {"sample_rate": str(rate), "channels": channels, **more}


@pytest.mark.parametrize(
    ("settings", "rate", "channels", "expected"),
    [
        ({}, 44100, 2, {"c:a": "aac", "ar": "44100", "b:a": "128000"}),
        ({}, 48000, 6, {"c:a": "aac", "ar": "48000", "b:a": "384000"}),
        ({}, 192000, 1, {"c:a": "aac", "ar": "96000", "b:a": "64000"}),
        ({}, 11000, 1, {"c:a": "aac", "ar": "11025", "b:a": "64000"}),
        ({}, 0, 0, {"c:a": "aac", "b:a": "128000"}),
        ({}, 48000, 24, {"c:a": "aac", "ar": "48000", "ac": "8", "b:a": "512000"}),
        ({"audio_channels": 2}, 48000, 24, {"c:a": "aac", "ar": "48000", "ac": "2", "b:a": "128000"}),
        ({"audio_bitrate": 96000, "sample_rate": 32000}, 48000, 2, {"c:a": "aac", "ar": "32000", "b:a": "96000"}),
        ({"audio_codec": "opus"}, 44100, 2, {"c:a": "libopus", "ar": "48000", "b:a": "128000"}),
        ({"audio_codec": "opus"}, 22050, 1, {"c:a": "libopus", "ar": "24000", "b:a": "64000"}),
        ({"audio_codec": "flac"}, 192000, 2, {"c:a": "flac", "ar": "192000"}),
        ({"audio_codec": "alac"}, 44100, 2, {"c:a": "alac", "ar": "44100"}),
    ],
)
def test_sound_keeps_rate_and_channels_where_the_codec_takes_them(
    settings: dict[str, Any], rate: int, channels: int, expected: Options
) -> None:
    assert audio_encoder(OutputSettings(**settings), stream(rate, channels)) == expected


@pytest.mark.parametrize(
    ("codec", "asked", "source", "layout"),
    [
        ("aac", None, 2, "stereo"),
        ("aac", None, 4, "4.0"),
        ("opus", None, 4, "quad"),
        ("alac", None, 8, "7.1(wide)"),
        ("flac", None, 8, "7.1"),
        ("aac", 1, 6, "mono"),
        ("aac", 6, 2, "5.1"),
        ("aac", None, 0, None),
        ("aac", None, 9, None),
        ("aac", 2, 9, None),  # no table describes the mix: `ac` asks for it
        ("aac", 2, 0, "stereo"),
        ("alac", None, 7, "6.1(back)"),
    ],
)
def test_a_number_of_channels_has_one_layout(
    codec: AudioCodec, asked: int | None, source: int, layout: str | None
) -> None:
    assert (
        channel_layout(OutputSettings(container="mkv", audio_codec=codec, audio_channels=asked), stream(48_000, source))
        == layout
    )


@pytest.mark.parametrize(
    ("codec", "channels", "layout"),
    [("mp3", 6, "stereo"), ("ac3", 8, "5.1"), ("mp3", 1, "mono"), ("vorbis", 7, "6.1"), ("pcm", 8, "7.1")],
)
def test_more_channels_than_the_codec_takes_are_mixed(codec: AudioCodec, channels: int, layout: str) -> None:
    assert channel_layout(OutputSettings(container="mkv", audio_codec=codec), stream(48_000, channels)) == layout


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"codec_name": "pcm_s16le", "sample_fmt": "s16"}, "pcm_s16le"),
        ({"codec_name": "aac", "sample_fmt": "fltp"}, "pcm_s16le"),
        ({"codec_name": "pcm_f32le", "sample_fmt": "flt"}, "pcm_s24le"),
        ({"codec_name": "flac", "sample_fmt": "s32"}, "pcm_s24le"),
        ({"codec_name": "alac", "sample_fmt": "s32p"}, "pcm_s24le"),
    ],
)
def test_pcm_has_the_bits_that_the_source_has(facts: dict[str, Any], name: str) -> None:
    settings = OutputSettings(container="mkv", audio_codec="pcm")
    assert audio_encoder(settings, stream(48_000, 2, **facts)) == {"c:a": name, "ar": "48000"}


@pytest.mark.parametrize(
    ("codec", "bits", "rate", "channels", "asked"),
    [
        ("mp3", None, 48_000, 2, 128_000),
        ("mp3", 130_000, 44_100, 2, 128_000),
        ("ac3", None, 48_000, 6, 384_000),
        ("mp2", 100_000, 48_000, 2, 96_000),
        ("vorbis", None, 8_000, 1, 32_000),  # 64 kbit/s are more than it takes there
        ("opus", None, 48_000, 8, 512_000),
    ],
)
def test_a_bit_rate_is_the_nearest_that_the_codec_has(
    codec: AudioCodec, bits: int | None, rate: int, channels: int, asked: int
) -> None:
    settings = OutputSettings(container="ts" if codec == "mp2" else "mkv", audio_codec=codec, audio_bitrate=bits)
    assert audio_encoder(settings, stream(rate, channels))["b:a"] == str(asked)


def test_a_bit_rate_that_the_codec_does_not_take_there_is_refused() -> None:
    settings = OutputSettings(container="mp3", video_codec="none", audio_bitrate=320_000)
    assert audio_encoder(settings, stream(44_100, 2))["b:a"] == "320000"
    with pytest.raises(InvalidSetting, match="mp3 with 2 channels at 22050 Hz takes 8000 to 160000 bits") as refused:
        audio_encoder(settings, stream(22_050, 2))
    assert refused.value.param == "audio_bitrate"


@given(st.sampled_from([codec for codec, known in SOUND_CODECS.items() if not known.lossless]), st.data())
def test_the_nearest_bit_rate_is_always_taken(codec: str, data: st.DataObject) -> None:
    known = SOUND_CODECS[codec]
    rate, channels = data.draw(st.sampled_from(known.rates)), data.draw(st.integers(1, known.channels))
    bits = data.draw(st.integers(1, 2_000_000))
    nearest = nearest_bits(codec, bits, rate, channels)
    assert not misfit_bits(codec, nearest, rate, channels)
    if known.figures:
        assert nearest in bit_rates(codec, rate, channels)
    elif not misfit_bits(codec, bits, rate, channels):
        assert nearest == bits


@pytest.mark.parametrize(
    ("container", "family"),
    [("mp4", "mp4"), ("mov", "mov"), ("package", "mp4"), ("mkv", "matroska"), ("ts", "mp4"), ("m4a", "ipod")],
)
def test_sound_travels_in_the_family_of_its_container(container: Any, family: str) -> None:
    video: dict[str, Any] = {"video_codec": "none"} if container == "m4a" else {}
    assert carrier(OutputSettings(container=container, **video)) == family
