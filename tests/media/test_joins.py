"""Several inputs one behind the other: the frames and samples of one plain ffmpeg run that concatenates them."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from clips import ffmpeg, picture, sound
from joined_title import encoded, joined, plain, samples, sounded

from framemill.errors import InvalidSetting
from framemill.jobs.settings import OutputSettings

FLAGS = "flags=bicubic+accurate_rnd+full_chroma_int+bitexact"
LOSSLESS: dict[str, Any] = {
    "qp": 0,
    "encoder_preset": "ultrafast",
    "pix_fmt": "yuv420p",
    "audio_codec": "flac",
    "container": "mkv",
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Films of other sizes, rates and sounds, small and lossless."""
    folder = tmp_path_factory.mktemp("films")
    lossless = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "12")
    made = {
        "wide": (*picture(2.4, "25", "320x180"), *sound(2.4), *lossless, "-c:a", "flac"),
        "square": (*picture(1.5, "30", "160x120"), *sound(2.0, 44100), *lossless, "-c:a", "flac"),
        "silent": (*picture(1, "30000/1001", "320x180"), *lossless),
        "short": (*picture(2, "25", "320x180"), *sound(0.7), *lossless, "-c:a", "flac"),
        "late": (*picture(1, "25", "320x180"), *("-itsoffset", "0.25"), *sound(1), *lossless, "-c:a", "flac"),
        "hd": (*picture(1, "25", "320x180"), *lossless, "-colorspace", "bt709", "-color_range", "pc"),
        "early": ("-itsoffset", "0.32", *picture(1, "25", "320x180"), *sound(1.5), *lossless, "-c:a", "flac"),
        "sound": (*sound(1.2), "-c:a", "flac"),
        "other": (*sound(0.7, 44100), "-c:a", "flac"),
    }
    for name, words in made.items():
        ffmpeg(*words, folder / f"{name}.mkv")
    return {name: folder / f"{name}.mkv" for name in made}


def test_frames_are_those_of_one_plain_concatenation(films: dict[str, Path]) -> None:
    paths = [films["wide"], films["square"], films["silent"]]

    title = joined(paths, LOSSLESS, chunk_frames=17).title
    hashes, facts = encoded(title)

    each = "setpts=PTS-STARTPTS,fps=25"
    boxed = f"{each},scale=240:180:{FLAGS},pad=320:180:40:0"
    assert hashes == plain(paths, [each, boxed, each])
    film = title.pictured
    assert film.shown.time_base == Fraction(1, 25)
    assert film.shown.pts == tuple(range(len(hashes)))
    assert [len(part.pictured.shown.pts) for part in title.parts] == [60, 38, 25]
    assert [chunk.first for chunk in film.plan.chunks] == [0, 17, 34, 51, 60, 77, 94, 98, 115]
    assert len({fact.parameter_sets for fact in facts}) == 1


def test_a_part_of_an_input_is_shown_where_only_that_is_asked_for(films: dict[str, Path]) -> None:
    parts = [(films["wide"], 0.5, 1.5), (films["silent"], 0.2, None)]

    hashes, _ = encoded(joined(parts, LOSSLESS, chunk_frames=10).title)

    clips = ["trim=start_frame=13:end_frame=38", "trim=start_frame=6"]
    graphs = [f"{clip},setpts=PTS-STARTPTS,fps=25" for clip in clips]
    assert hashes == plain([films["wide"], films["silent"]], graphs)


def test_what_the_settings_say_counts_for_every_input(films: dict[str, Path]) -> None:
    paths = [films["square"], films["wide"]]
    settings = {**LOSSLESS, "width": 200, "height": 120, "fit": "pad", "fps": "24", "rotate": 180}

    title = joined(paths, settings).title
    hashes, _ = encoded(title)

    each = "setpts=PTS-STARTPTS,fps=24,hflip,vflip"
    small = f"{each},scale=160:120:{FLAGS},pad=200:120:20:0"
    flat = f"{each},scale=200:112:{FLAGS},pad=200:120:0:4"
    assert hashes == plain(paths, [small, flat])


def test_colours_of_the_others_become_those_of_the_first(films: dict[str, Path]) -> None:
    paths = [films["wide"], films["hd"]]

    title = joined(paths, LOSSLESS).title
    hashes, facts = encoded(title)

    light = "zscale=rangein=full:matrixin=bt709:primariesin=bt709:transferin=bt709"
    into = "range=limited:matrix=smpte170m:primaries=smpte170m:transfer=smpte170m:agamma=0"
    each = "setpts=PTS-STARTPTS,fps=25"
    assert hashes == plain(paths, [each, f"{each},{light}:{into}"])
    assert len({fact.parameter_sets for fact in facts}) == 1


def test_chunks_are_those_of_the_same_input_in_another_job(films: dict[str, Path]) -> None:
    both = joined([films["wide"], films["hd"]], LOSSLESS).title
    turned = joined([films["wide"], films["silent"], films["hd"]], LOSSLESS).title

    keys = [{title.chunk_key(0, chunk) for chunk in title.pictured.plan.chunks} for title in (both, turned)]

    assert keys[0] < keys[1]


def test_segments_lie_on_one_grid_over_all_inputs(films: dict[str, Path]) -> None:
    settings = {"container": "package", "segment_seconds": 1.0, "ladder": [{"height": 144}], "audio_codec": "aac"}

    title = joined([films["wide"], films["square"]], settings, chunk_frames=40).title
    hashes, facts = encoded(title)

    film = title.pictured
    assert film.plan.segments == (0, 25, 50, 75)
    assert len(hashes) == len(film.shown.pts) == 98
    begins = {chunk.first for chunk in film.plan.chunks}
    idrs = {chunk.first + frame for chunk in film.plan.chunks for frame in chunk.idrs}
    assert 60 in begins
    assert begins | idrs >= set(film.plan.segments)
    assert len({fact.parameter_sets for fact in facts}) == 1


# Sound


SAMPLE = 4  # bytes: stereo of 16 bits


def wanted(path: Path, rate: int, skipped: int, length: int) -> bytes:
    """That many samples of a file's sound, from one on (below 0: after silence), with silence at the end."""
    heard = samples(path, rate)
    heard = heard[skipped * SAMPLE :] if skipped >= 0 else bytes(-skipped * SAMPLE) + heard
    return heard[: length * SAMPLE].ljust(length * SAMPLE, b"\0")


def test_sound_is_as_long_as_its_pictures_to_the_sample(films: dict[str, Path]) -> None:
    names = ["wide", "short", "silent", "late", "early"]
    skipped = [0, 0, 0, -12_000, 15_360]

    title = joined([films[name] for name in names], LOSSLESS).title
    heard = sounded(title, 48_000)

    lengths = [2.4, 2.0, 1.0, 1.0, 1.0]
    expected = [
        bytes(48_000 * SAMPLE) if name == "silent" else wanted(films[name], 48_000, first, round(length * 48_000))
        for name, first, length in zip(names, skipped, lengths, strict=True)
    ]
    assert len(heard) == sum(map(len, expected)) == round(sum(lengths) * 48_000) * SAMPLE
    assert [number for number, (a, b) in enumerate(zip(parts(heard, expected), expected, strict=True)) if a != b] == []


def test_sound_that_changes_on_the_way_does_not_move_the_others(films: dict[str, Path], tmp_path: Path) -> None:
    broadcast, halves = tmp_path / "broadcast.ts", [tmp_path / "a.ts", tmp_path / "b.ts"]
    for half, rate, channels in zip(halves, (48_000, 44_100), "21", strict=True):
        shown = (*picture(1, "25", "320x180"), *sound(1, rate), "-c:v", "libx264", "-preset", "ultrafast")
        ffmpeg(*shown, "-c:a", "aac", "-ac", channels, half)
    broadcast.write_bytes(b"".join(half.read_bytes() for half in halves))

    title = joined([films["wide"], broadcast, films["wide"]], LOSSLESS).title
    heard = sounded(title, 48_000)

    lengths = [round(Fraction(len(part.pictured.shown.pts), 25) * 48_000) for part in title.parts]
    assert len(heard) == sum(lengths) * SAMPLE
    whole = wanted(films["wide"], 48_000, 0, lengths[2])
    first, last = heard[: len(whole)], heard[-len(whole) :]
    assert [
        max(abs(a - b) for a, b in zip(memoryview(one).cast("h"), memoryview(whole).cast("h"), strict=True))
        for one in (first, last)
    ] <= [1, 1]


def parts(heard: bytes, like: list[bytes]) -> list[bytes]:
    """What was heard, cut as those are long."""
    found = []
    for one in like:
        found.append(heard[: len(one)])
        heard = heard[len(one) :]
    return found


def test_many_short_parts_do_not_drift(films: dict[str, Path]) -> None:
    clip = (films["square"], 0.0, 0.1)  # 44,100 samples a second do not go into 30 frames of them and one third

    title = joined([clip] * 25, {**LOSSLESS, "fps": "30000/1001"}).title

    frames = len(title.pictured.shown.pts)
    assert len(sounded(title, 44_100)) == round(Fraction(frames * 1001, 30_000) * 44_100) * SAMPLE


def test_sounds_alone_follow_each_other(films: dict[str, Path]) -> None:
    settings = {"video_codec": "none", "audio_codec": "flac", "container": "mkv"}

    title = joined([(films["sound"], 0.2, 1.0), films["other"]], settings).title

    assert title.film is None
    assert len(sounded(title, 48_000)) == round(1.5 * 48_000) * SAMPLE


def test_a_sound_alone_is_heard_with_the_pictures_beside_it_and_no_longer(films: dict[str, Path]) -> None:
    orders = {
        ("wide", "sound", "short"): "sound",
        ("sound", "wide", "short"): "sound",
        ("wide", "short", "sound"): "wide",
    }
    for names, first in orders.items():
        title = joined([films[name] for name in names], LOSSLESS).title

        second = "short" if first == "sound" else "sound"
        lengths = {first: round(2.4 * 48_000), second: 2 * 48_000}
        expected = [wanted(films[name], 48_000, 0, length) for name, length in lengths.items()]
        assert len(title.parts) == 2
        assert sounded(title, 48_000) == b"".join(expected)


# What cannot be


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"video_codec": "copy"}, "copied"),
        ({"audio_codec": "copy"}, "copied"),
        ({"start": 1}, "start and end of each"),
        ({"container": "avi"}, "one input"),
        ({"container": "jpg"}, "one input"),
        ({"audio_tracks": "all"}, "audio_tracks"),
    ],
)
def test_what_takes_one_input_refuses_several(films: dict[str, Path], settings: dict[str, Any], why: str) -> None:
    assert why in OutputSettings.model_validate(settings).unjoinable
    with pytest.raises(InvalidSetting, match="Several inputs cannot be joined"):
        joined([films["wide"], films["wide"]], settings)
