"""Boxes made by hand, byte by byte."""

import struct
from fractions import Fraction
from pathlib import Path

import pytest

from framemill.errors import VerificationFailed
from framemill.media.boxes import TrackStart, skip_priming, top_boxes, track_starts

MOVIE = 240_000
EMPTY = -1


def box(kind: str, *body: bytes) -> bytes:
    payload = b"".join(body)
    return struct.pack(">I4s", 8 + len(payload), kind.encode()) + payload


def full(version: int) -> bytes:
    """Version and flags."""
    return bytes([version, 0, 0, 0])


def header(kind: str, scale: int, version: int = 0) -> bytes:
    """`mvhd` or `mdhd`: two times, the scale, a duration."""
    if version == 1:
        return box(kind, full(1), struct.pack(">QQIQ", 0, 0, scale, 0))
    return box(kind, full(0), struct.pack(">IIII", 0, 0, scale, 0))


def elst(*edits: tuple[int, int], version: int = 0) -> bytes:
    """(duration, media time) of each edit, at normal rate."""
    layout = ">Qqhh" if version == 1 else ">Iihh"
    entries = b"".join(struct.pack(layout, duration, time, 1, 0) for duration, time in edits)
    return box("edts", box("elst", full(version), struct.pack(">I", len(edits)), entries))


def hdlr(kind: str) -> bytes:
    return box("hdlr", full(0), b"\0\0\0\0", kind.encode(), bytes(13))


def trak(scale: int, kind: str, edits: bytes = b"", composition: int | None = None, version: int = 0) -> bytes:
    ctts = b"" if composition is None else box("ctts", full(0), struct.pack(">IIi", 1, 1, composition))
    # QuickTime's `minf` has a handler of its own, of the data and not of the track.
    minf = box("minf", hdlr("alis"), box("stbl", ctts))
    return box("trak", edits, box("mdia", header("mdhd", scale, version), hdlr(kind), minf))


def file(folder: Path, *traks: bytes, version: int = 0) -> Path:
    path = folder / "out.mp4"
    moov = box("moov", header("mvhd", MOVIE, version), *traks)
    path.write_bytes(box("ftyp", b"isom") + box("free", bytes(5)) + moov + box("mdat", b"pictures"))
    return path


@pytest.mark.parametrize("version", [0, 1])
def test_a_track_starts_after_its_empty_edit(tmp_path: Path, version: int) -> None:
    edits = elst((MOVIE // 2, EMPTY), (MOVIE * 5, 0), version=version)
    path = file(tmp_path, trak(90_000, "vide", edits, version=version), version=version)
    assert track_starts(path) == [TrackStart("vide", Fraction(1, 2))]


@pytest.mark.parametrize("version", [0, 1])
def test_what_the_edit_skips_is_not_shown(tmp_path: Path, version: int) -> None:
    """B-frames: the first sample is composed two frames late, and the edit begins there."""
    pictures = trak(12_800, "vide", elst((0, 1024), version=version), composition=1024)
    priming = trak(44_100, "soun", elst((0, 1024), version=version))
    assert track_starts(file(tmp_path, pictures, priming)) == [
        TrackStart("vide", Fraction(0)),
        TrackStart("soun", Fraction(0)),
    ]


def test_a_composition_that_no_edit_takes_back_delays_the_track(tmp_path: Path) -> None:
    late = trak(12_800, "vide", elst((MOVIE, EMPTY), (MOVIE, 512)), composition=1024)
    assert track_starts(file(tmp_path, late)) == [TrackStart("vide", 1 + Fraction(512, 12_800))]


def test_a_track_without_edits_starts_at_its_first_composition(tmp_path: Path) -> None:
    path = file(tmp_path, trak(25, "vide", composition=2), trak(48_000, "soun"), trak(1000, "text"))
    assert track_starts(path) == [
        TrackStart("vide", Fraction(2, 25)),
        TrackStart("soun", Fraction(0)),
        TrackStart("text", Fraction(0)),
    ]


def test_a_file_without_a_moov_has_no_tracks(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.write_bytes(box("ftyp", b"isom"))
    assert track_starts(path) == []
    path.write_bytes(b"")
    assert track_starts(path) == []


def test_a_moov_behind_a_large_box_is_found(tmp_path: Path) -> None:
    path = file(tmp_path, trak(25, "vide"))
    large = struct.pack(">I4sQ", 1, b"mdat", 16 + 7) + b"samples"
    path.write_bytes(large + path.read_bytes())
    assert track_starts(path) == [TrackStart("vide", Fraction(0))]


def test_boxes_in_a_row() -> None:
    data = (
        box("ftyp", b"isom") + struct.pack(">I4sQ", 1, b"free", 20) + b"1234" + struct.pack(">I4s", 0, b"mdat") + b"x"
    )
    assert list(top_boxes(data)) == [("ftyp", 0, 12), ("free", 12, 32), ("mdat", 32, 41)]
    assert list(top_boxes(b"")) == []
    assert list(top_boxes(b"\0\0\0")) == []


@pytest.mark.parametrize("version", [0, 1])
def test_priming_is_skipped_in_place(tmp_path: Path, version: int) -> None:
    late = trak(48_000, "soun", elst((MOVIE // 2, EMPTY), (MOVIE * 5, 0), version=version), version=version)
    path = file(tmp_path, trak(25, "vide"), late, version=version)
    skip_priming(path, 1, 960)
    skipped = elst((MOVIE // 2, EMPTY), (MOVIE * 5 - 4800, 960), version=version)  # 960 / 48000 s are 4800 / 240000 s
    (tmp_path / "expected").mkdir()
    expected = file(
        tmp_path / "expected", trak(25, "vide"), trak(48_000, "soun", skipped, version=version), version=version
    )
    assert path.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize(
    "edits",
    [
        elst((MOVIE, 0)),
        elst((MOVIE, EMPTY), (MOVIE, 512)),
        elst((MOVIE, EMPTY), (MOVIE, EMPTY), (MOVIE, 0)),
        b"",
    ],
    ids=["one edit", "skips already", "three edits", "none"],
)
def test_an_edit_list_that_nobody_here_wrote_is_left_alone(tmp_path: Path, edits: bytes) -> None:
    path = file(tmp_path, trak(48_000, "soun", edits))
    before = path.read_bytes()
    with pytest.raises(VerificationFailed, match=r"Track 0 of out\.mp4 has an edit list that nobody here wrote"):
        skip_priming(path, 0, 960)
    assert path.read_bytes() == before
