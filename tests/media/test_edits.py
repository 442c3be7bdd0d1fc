"""What is cut, timed, shaped and laid over, against one plain ffmpeg run of the same graph: chunk for chunk, frame for
frame and time for time."""

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import clips
import ffmpeg as ffmpeg_python
import pytest
from one_title import LOSSLESS, encoded, plain, planned
from shared_clips import shared_clip

from framemill.errors import FramemillError, InvalidSetting, SourceMissing, SourceUnreadable
from framemill.media import ffmpeg
from framemill.media.index import parse_framehash
from framemill.media.laid import Lines, draw_lines
from framemill.media.options import SWS_FLAGS

FROM_0 = "setpts=PTS-STARTPTS"

Clip = Callable[[Path], Path]


@pytest.fixture(scope="module")
def folder() -> Any:
    with tempfile.TemporaryDirectory(prefix="framemill-edits-") as path:
        yield Path(path)


def interlaced(folder: Path) -> Path:
    """Fields of different times, said to be so."""
    path = folder / "interlaced.mp4"
    if not path.exists():
        fields = ("-vf", "interlace", "-flags:v", "+ildct+ilme", *clips.x264("keyint=24"))
        clips.ffmpeg(*clips.picture(4, "50", "192x108"), *fields, "-field_order", "tt", path)
    return path


def begins_late(folder: Path) -> Path:
    """Counts from 10 s."""
    path = folder / "late.mp4"
    if not path.exists():
        clips.ffmpeg(*clips.picture(4, "30", "192x108"), *clips.x264("keyint=25"), "-output_ts_offset", "10", path)
    return path


@dataclass(frozen=True)
class Case:
    clip: Clip
    settings: dict[str, Any]
    graph: str
    """Before the size."""


CASES = {
    "25 from 29.97": Case(clips.cfr_29_97, {"fps": "25"}, f"{FROM_0},fps=25"),
    "60 from 29.97": Case(clips.cfr_29_97, {"fps": 60}, f"{FROM_0},fps=60"),
    "uneven times to 24": Case(clips.vfr_mp4, {"fps": "24000/1001"}, f"{FROM_0},fps=24000/1001"),
    "no more than 20": Case(clips.changing_rate, {"fps": 20, "fps_mode": "cap"}, f"{FROM_0},fps=20"),
    "no more than 120": Case(clips.changing_rate, {"fps": 120, "fps_mode": "cap"}, "null"),
    "frames of fields": Case(interlaced, {"deinterlace": "auto"}, "bwdif=mode=send_frame:deint=all"),
    "a picture a field": Case(interlaced, {"deinterlace": "field"}, "bwdif=mode=send_field:deint=all"),
    "fields, then 30": Case(
        interlaced, {"deinterlace": "field", "fps": 30}, f"bwdif=mode=send_field:deint=all,{FROM_0},fps=30"
    ),
    "a part": Case(begins_late, {"start": 1.01, "end": 2.99}, "trim=start=11.01:end=12.99"),
    "a part at 25": Case(begins_late, {"start": 1, "duration": 2, "fps": 25}, f"trim=start=11:end=13,{FROM_0},fps=25"),
    "cut, turned, mirrored": Case(
        clips.vfr_mkv,
        {"crop": "160:100", "rotate": 90, "flip": "vertical"},
        "crop=160:100:exact=1,transpose=clock,vflip",
    ),
    "times that run backwards": Case(
        clips.backwards, {"crop": "160:100:10:6", "rotate": 180}, "crop=160:100:10:6:exact=1,hflip,vflip"
    ),
    "less noise": Case(clips.vfr_mp4, {"denoise": "light"}, "hqdn3d=2:1.5:3:2.25"),
}  # fmt: skip


def size_of(path: Path, settings: dict[str, Any]) -> str:
    """The end of each rendition's graph: its size, and what its colours are said to be."""
    picture = planned(path, LOSSLESS | settings).pictured.pictures[0]
    tags = ":".join(f"{name}={value}" for step in picture.look.tags for name, value in step.options)
    return f"scale={picture.width}:{picture.height}:flags={SWS_FLAGS},format=yuv420p,setparams={tags}"


@pytest.mark.parametrize("name", CASES)
def test_an_edit_is_what_one_plain_run_makes(name: str, folder: Path) -> None:
    case = CASES[name]
    path = case.clip(folder)
    hashes, times = plain(path, f"{case.graph},{size_of(path, case.settings)}", "yuv420p")
    got = encoded(path, LOSSLESS | case.settings, chunk_frames=17)
    assert got.chunks > 1 or "denoise" in case.settings
    assert got.hashes == hashes
    if case.clip is not clips.backwards:  # such times no container holds
        assert got.times == times


@pytest.mark.parametrize(
    ("settings", "graph"),
    [
        ({"width": 120, "height": 120, "fit": "pad"}, "scale=120:68:{f},pad=120:120:0:26"),
        ({"width": 100, "height": 100, "fit": "fill"}, "scale=178:100:{f},crop=100:100:38:0:exact=1"),
        ({"width": 100, "height": 100, "fit": "stretch"}, "scale=100:100:{f}"),
        (
            {"width": 480, "upscale": True, "sharpen": 0.5},
            "scale=480:270:{f},unsharp=luma_amount=0.5:chroma_amount=0.25",
        ),
    ],
    ids=lambda value: str(value.get("fit", "larger")) if isinstance(value, dict) else "",
)
def test_a_size_is_what_one_plain_run_makes(settings: dict[str, Any], graph: str, folder: Path) -> None:
    path = clips.vfr_mp4(folder)
    hashes, times = plain(path, graph.format(f=f"flags={SWS_FLAGS}"), "yuv420p")
    got = encoded(path, LOSSLESS | settings, chunk_frames=17)
    assert (got.hashes, got.times) == (hashes, times)


@pytest.fixture(scope="module")
def logo(folder: Path) -> Path:
    """64×48, ever less transparent to the right."""
    path = folder / "logo.png"
    fading = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*X/W'"
    clips.ffmpeg(*clips.picture(1, size="64x48"), "-vf", fading, "-frames:v", "1", "-update", "1", path)
    return path


def test_a_still_picture_lies_where_and_as_long_as_asked(folder: Path, logo: Path) -> None:
    path = begins_late(folder)
    first = {"uri": str(logo), "x": -10, "y": 20, "width": 32, "opacity": 0.5, "start": 0.5, "end": 1.5}
    second = {"uri": str(logo), "x": 4, "y": 4}
    mixed = f"scale=flags={SWS_FLAGS},format=yuva420p"
    small = f"movie={logo},setpts=0,scale=32:24:flags={SWS_FLAGS},colorchannelmixer=aa=0.5,{mixed}"
    large = f"movie={logo},setpts=0,scale=64:48:flags={SWS_FLAGS},{mixed}"
    graph = (
        f"{size_of(path, {})},{FROM_0}[film];{small}[small];{large}[large];"
        "[film][small]overlay=main_w-overlay_w-10:20:format=yuv420:enable='gte(t,0.49)*lt(t,1.49)'[one];"
        "[one][large]overlay=4:4:format=yuv420"
    )
    hashes, times = plain(path, graph, "yuv420p")
    got = encoded(path, LOSSLESS | {"overlays": [first, second]}, chunk_frames=17)
    assert (got.hashes, got.times) == (hashes, times)
    alone = encoded(path, LOSSLESS | {"overlays": [first]}, chunk_frames=40)
    bare = encoded(path, LOSSLESS, chunk_frames=40)
    seen = [
        time
        for time, with_it, without in zip(alone.times, alone.hashes, bare.hashes, strict=True)
        if with_it != without
    ]
    assert (seen[0], seen[-1], len(seen)) == (Fraction(1, 2), Fraction(44, 30), 30)


TEXT = "1\n00:00:00,500 --> 00:00:01,700\nGrüße, κόσμε\n\n2\n00:00:02,000 --> 00:00:03,000\nSecond\n"


@pytest.fixture(scope="module")
def titled(folder: Path) -> Path:
    """Counts from 10 s, and has two lines of text."""
    (folder / "text.srt").write_text(TEXT)
    path = folder / "titled.mkv"
    late = ("-i", begins_late(folder), "-itsoffset", "10", "-i", folder / "text.srt")
    clips.ffmpeg("-copyts", *late, "-map", "0:v", "-map", "1:s", "-c:v", "copy", "-c:s", "srt", path)
    return path


SAID = {*range(15, 51), *range(60, 90)}
"""Which frames of it have a text."""


@pytest.mark.parametrize("where", ["0", "file"])
@pytest.mark.parametrize("edit", [{}, {"start": 1, "end": 2.5}, {"fps": 15}, {"rotate": 90, "width": 90}], ids=str)
def test_texts_are_drawn_when_they_are_said(where: str, edit: dict[str, Any], titled: Path, folder: Path) -> None:
    wanted = where if where == "0" else str(folder / "text.srt")
    path = titled if where == "0" else begins_late(folder)
    bare = encoded(path, LOSSLESS | edit, chunk_frames=13)
    got = encoded(path, LOSSLESS | edit | {"burn_subtitles": wanted}, chunk_frames=13)
    assert got.chunks > 1
    numbers = [round((time + edit.get("start", 0)) * 30) for time in got.times]
    drawn = {number for number, a, b in zip(numbers, got.hashes, bare.hashes, strict=True) if a != b}
    assert drawn == SAID & {*numbers}


def test_texts_in_chunks_are_those_of_one_run(titled: Path, tmp_path: Path) -> None:
    lines = planned(titled, LOSSLESS | {"burn_subtitles": "0"}, tmp_path / "title").pictured.laid.lines
    assert lines is not None
    hashes, _ = plain(titled, f"{drawing(lines)},{size_of(titled, {})}", "yuv420p")
    assert encoded(titled, LOSSLESS | {"burn_subtitles": "0"}, chunk_frames=13).hashes == hashes


def drawing(lines: Lines) -> str:
    """The filter that draws them, as one writes it."""
    graph = draw_lines(ffmpeg_python.input("x")["v"], lines).output("y").get_args()
    text: str = graph[graph.index("-filter_complex") + 1]
    return text.removeprefix("[0:v]").removesuffix("[s0]")


def test_texts_that_are_shown_at_once_are_drawn_in_one_piece(folder: Path) -> None:
    both = folder / "both.srt"
    both.write_text(TEXT.replace("00:00:02,000", "00:00:01,500"))
    got = planned(begins_late(folder), LOSSLESS | {"burn_subtitles": str(both)}, folder / "one", chunk_frames=13)
    assert len(got.pictured.plan.chunks) == 1


@pytest.mark.media
def test_subtitles_that_are_pictures_are_those_of_one_run() -> None:
    path = shared_clip("sample_with_pgs_subtitles.mkv")
    got = encoded(path, LOSSLESS | {"burn_subtitles": "0"}, chunk_frames=13)
    titles = f"[0:s:0]scale=w=1080:h=-1:flags={SWS_FLAGS},format=yuva420p[titles]"
    graph = f"{titles};[0:V:0][titles]overlay=y=main_h-overlay_h:eof_action=pass:format=yuv420,{size_of(path, {})}[out]"
    out = ("-filter_complex", graph, "-map", "[out]", "-fps_mode", "passthrough", "-enc_time_base", "filter")
    argv = [ffmpeg.binary(), "-v", "error", "-copyts", "-threads", "1", "-i", str(path), *out]
    ran = subprocess.run(
        [*argv, "-f", "framehash", "-hash", "murmur3", "-"], capture_output=True, text=True, check=True
    )
    assert got.hashes == [row.digest for row in parse_framehash(ran.stdout)[1]]
    bare = encoded(path, LOSSLESS)
    assert sum(a != b for a, b in zip(got.hashes, bare.hashes, strict=True)) > 20


def test_a_ladder_has_the_same_picture_in_every_size(folder: Path, logo: Path) -> None:
    path = begins_late(folder)
    settings = LOSSLESS | {"container": "package", "crf": None, "ladder": [{"height": 108}, {"height": 54}]}
    settings |= {"overlays": [{"uri": str(logo), "x": -8, "y": 8}]}
    small = f"movie={logo},setpts=0,scale=32:24:flags={SWS_FLAGS},scale=flags={SWS_FLAGS},format=yuva420p[small]"
    film = planned(path, settings, folder / "ladder").pictured
    tags = ":".join(f"{name}={value}" for step in film.pictures[1].look.tags for name, value in step.options)
    shown = f"scale=96:54:flags={SWS_FLAGS},format=yuv420p,setparams={tags},{FROM_0}[film]"
    hashes, _ = plain(path, f"{shown};{small};[film][small]overlay=60:4:format=yuv420", "yuv420p")
    assert encoded(path, settings, rendition=1, chunk_frames=40).hashes == hashes


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"overlays": [{"uri": "/nowhere/logo.png"}]}, SourceMissing, "logo.png is not there"),
        ({"overlays": [{"uri": "text.srt"}]}, SourceUnreadable, "cannot be read as a picture"),
        ({"burn_subtitles": "1"}, InvalidSetting, "has 1 text tracks"),
        ({"burn_subtitles": "/nowhere/text.srt"}, SourceMissing, "text.srt is not there"),
        ({"burn_subtitles": "logo.png"}, InvalidSetting, "ends in none of"),
        ({"burn_subtitles": "latin.srt"}, SourceUnreadable, "have to be UTF-8"),
        ({"burn_subtitles": "empty.srt"}, SourceUnreadable, "holds no text"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_laid_over_is_refused_before_anything_is_encoded(
    settings: dict[str, Any], error: type[FramemillError], said: str, titled: Path, logo: Path
) -> None:
    folder = logo.parent
    (folder / "latin.srt").write_bytes("1\n00:00:00,500 --> 00:00:01,700\nGrüße\n".encode("latin-1"))
    (folder / "empty.srt").write_bytes(b"")
    with pytest.raises(error, match=said):
        planned(titled, LOSSLESS | _in(folder, settings), folder / "refused")


def _in(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The same with the names of files as paths."""
    if "overlays" in settings:
        return {"overlays": [{"uri": str(folder / each["uri"])} for each in settings["overlays"]]}
    wanted = settings["burn_subtitles"]
    return {"burn_subtitles": wanted if wanted.isdecimal() else str(folder / wanted)}
