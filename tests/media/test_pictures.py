"""Pictures as outputs: what is in them, how many, in which files; and pictures as sources."""

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import av
import pytest
from carried_out import Made, Refused, carried_out
from clips import X264, encode, ffmpeg, picture, x264
from one_title import frame_hashes, plain

from framemill.errors import VerificationFailed
from framemill.jobs.reasons import Reason
from framemill.media.images import still_command
from framemill.media.pictureproof import prove
from framemill.media.whole import proof_wanted

FLAGS = "flags=bicubic+accurate_rnd+full_chroma_int+bitexact"
STILLS = ("jpg", "png", "webp", "bmp", "gif", "tiff")


def drawn(source: Path, folder: Path, container: str, **settings: Any) -> Made:
    return carried_out(
        source, {"container": container, "video_codec": "none", "audio_codec": "none", **settings}, folder
    )


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("film") / "film.mp4"
    encode(out, *picture(3, "25", "160x90"), *X264)
    return out


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("still") / "still.jpg"
    encode(out, *picture(1, "1", "64x48"), "-frames:v", "1", "-update", "1")
    return out


def pixels(path: Path, size: tuple[int, int] = (1, 1)) -> list[tuple[int, ...]]:
    """Red, green, blue and opacity of a picture, made that small."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0)).reformat(*size, format="rgba")
        return [tuple(int(part) for part in pixel) for pixel in frame.to_ndarray().reshape(-1, 4)]


def size_of(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return frame.width, frame.height


@pytest.mark.parametrize("container", STILLS)
def test_a_picture_becomes_every_other_kind(still: Path, tmp_path: Path, container: str) -> None:
    made = drawn(still, tmp_path, container)
    assert made.file.suffix == f".{container}"
    assert size_of(made.file) == (64, 48)
    assert made.proof["pictures"] == 1


def test_a_frame_of_a_film_is_the_frame_of_a_plain_run(film: Path, tmp_path: Path) -> None:
    made = drawn(film, tmp_path, "png", at=[1.0], width=80)
    graph = f"select=eq(n\\,25),scale=w=80:h=45:{FLAGS},setsar=1,scale={FLAGS}"
    assert frame_hashes(made.file) == plain(film, graph, "rgb24")[0]


def test_cut_turned_and_made_smaller(film: Path, tmp_path: Path) -> None:
    made = drawn(film, tmp_path, "png", at=["50%"], crop="100:60", rotate=90, height=50)
    assert size_of(made.file) == (30, 50)


def test_thumbnails_are_a_file_each_or_one_archive(film: Path, tmp_path: Path) -> None:
    apart = drawn(film, tmp_path / "apart", "png", picture="thumbnails", count=3, width=32)
    assert [file.name for file in apart.files] == ["0001.png", "0002.png", "0003.png"]
    graph = f"select=eq(n\\,12)+eq(n\\,37)+eq(n\\,62),scale=w=32:h=18:{FLAGS},setsar=1,scale={FLAGS}"
    assert [hashed for file in apart.files for hashed in frame_hashes(file)] == plain(film, graph, "rgb24")[0]
    packed = drawn(film, tmp_path / "packed", "png", picture="thumbnails", count=3, width=32, archive=True)
    with zipfile.ZipFile(packed.file) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            file.name: file.read_bytes() for file in apart.files
        }


def test_frames_far_apart_are_decoded_from_the_keyframes_before_them(tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    encode(long, *picture(16, "25", "64x48"), *x264("keyint=25:bframes=2"))
    made = drawn(long, tmp_path, "png", picture="thumbnails", at=[3.0, 7.5, 15.2])
    argv, _ = still_command(made.title, tmp_path)
    assert argv.count("-ss") == 3
    graph = f"select=eq(n\\,75)+eq(n\\,187)+eq(n\\,380),setsar=1,scale={FLAGS}"
    assert [hashed for file in made.files for hashed in frame_hashes(file)] == plain(long, graph, "rgb24")[0]
    assert len(drawn(long, tmp_path / "jpg", "jpg", picture="thumbnails", at=[3.0, 7.5, 15.2]).files) == 3
    near = drawn(long, tmp_path / "near", "png", picture="thumbnails", at=[15.0, 15.2])
    argv, _ = still_command(near.title, tmp_path)
    assert argv.count("-ss") == 1
    graph = f"select=eq(n\\,375)+eq(n\\,380),setsar=1,scale={FLAGS}"
    assert [hashed for file in near.files for hashed in frame_hashes(file)] == plain(long, graph, "rgb24")[0]


def test_a_contact_sheet_holds_each_picture(film: Path, tmp_path: Path) -> None:
    made = drawn(film, tmp_path, "png", picture="sheet", columns=2, count=4, width=32)
    assert size_of(made.file) == (68, 40)
    single = drawn(film, tmp_path / "one", "png", picture="thumbnails", count=4, width=32)
    corner = f"crop=32:18:36:22:exact=1,scale={FLAGS}"
    assert plain(made.file, corner, "rgb24")[0] == plain(single.files[3], f"scale={FLAGS}", "rgb24")[0]


def test_a_storyboard_names_the_picture_for_every_moment(film: Path, tmp_path: Path) -> None:
    made = drawn(film, tmp_path, "png", picture="storyboard", every=0.5, columns=2, rows=2, width=32)
    assert [file.name for file in made.files] == ["storyboard-001.png", "storyboard-002.png", "storyboard.vtt"]
    cues = (made.folder / "storyboard.vtt").read_text().split("\n\n")[1:]
    assert cues[0] == "00:00:00.000 --> 00:00:00.500\nstoryboard-001.png#xywh=0,0,32,18"
    assert cues[5].strip() == "00:00:02.500 --> 00:00:03.000\nstoryboard-002.png#xywh=32,0,32,18"
    first = plain(made.files[1], f"crop=32:18:32:0:exact=1,scale={FLAGS}", "rgb24")[0]
    graph = f"select=eq(n\\,62),scale=w=32:h=18:{FLAGS},setsar=1,scale={FLAGS}"
    assert first == plain(film, graph, "rgb24")[0]


@pytest.mark.parametrize(("container", "frames"), [("gif", 25), ("webp", 25)])
def test_a_film_without_sound(film: Path, tmp_path: Path, container: str, frames: int) -> None:
    made = drawn(film, tmp_path, container, picture="animation", start=1, duration=1, width=64)
    assert made.proof["frames"] == frames
    assert made.proof["largest_time_error_seconds"] < 0.01


def test_the_same_bytes_each_time(film: Path, tmp_path: Path) -> None:
    for container in STILLS:
        both = [drawn(film, tmp_path / f"{container}{run}", container).file.read_bytes() for run in (1, 2)]
        assert both[0] == both[1], container
    both = [drawn(film, tmp_path / f"anim{run}", "gif", picture="animation").file.read_bytes() for run in (1, 2)]
    assert both[0] == both[1]


def test_transparency_is_kept_or_lies_on_white(tmp_path: Path) -> None:
    clear = tmp_path / "clear.png"
    ffmpeg("-f", "lavfi", "-i", "color=red@0.5:s=16x16,format=rgba", "-frames:v", "1", clear)
    for container in ("png", "tiff", "webp"):
        (pixel,) = pixels(drawn(clear, tmp_path / container, container).file)
        assert pixel[0] > 250
        assert pixel[3] in {127, 128}
    for container in ("jpg", "bmp"):
        (pixel,) = pixels(drawn(clear, tmp_path / container, container).file)
        assert all(abs(part - wanted) < 4 for part, wanted in zip(pixel, (255, 127, 127, 255), strict=True)), pixel


def test_16_bits_are_kept_where_there_is_room(tmp_path: Path) -> None:
    deep = tmp_path / "deep.png"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=32x32,format=rgb48be", "-frames:v", "1", deep)
    assert frame_hashes(drawn(deep, tmp_path, "png").file) == frame_hashes(deep)


def test_a_camera_held_upright(still: Path, tmp_path: Path) -> None:
    """EXIF's orientation 6: the picture is turned, and does not say so once more."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    body = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    data = still.read_bytes()
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:])
    for container in ("jpg", "png"):
        made = drawn(turned, tmp_path / container, container).file
        assert size_of(made) == (48, 64)
        assert drawn(made, tmp_path / f"{container}-again", "png").title.pictured.pictures[0].width == 48


def test_one_pixel(tmp_path: Path) -> None:
    dot = tmp_path / "dot.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=1x1", "-frames:v", "1", dot)
    for container in STILLS:
        assert size_of(drawn(dot, tmp_path / container, container).file) == (1, 1)


def test_a_moving_png_is_a_film(tmp_path: Path) -> None:
    moving = tmp_path / "moving.png"
    ffmpeg(*picture(1, "10", "32x32"), "-f", "apng", moving)
    assert drawn(moving, tmp_path / "gif", "gif", picture="animation").proof["frames"] == 10
    assert drawn(moving, tmp_path / "jpg", "jpg").proof["frames"] == 1


def bomb(width: int, height: int) -> bytes:
    """A PNG of one grey, that large."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(bytes(width + 1) * 8 * (height // 8), 1) if height < 64 else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["text.jpg", "empty.jpg", "cut.png", "huge.png", "seq%03d.jpg"])
def test_what_is_no_picture_is_refused_with_the_reason(still: Path, tmp_path: Path, name: str) -> None:
    data = {
        "text.jpg": b"this is no picture\n" * 50,
        "empty.jpg": b"",
        "cut.png": bomb(64, 48)[:40],
        "huge.png": bomb(60_000, 60_000),
        "seq%03d.jpg": still.read_bytes(),
    }
    bad = tmp_path / name
    bad.write_bytes(data[name])
    with pytest.raises(Refused) as refused:
        drawn(bad, tmp_path / "out", "png")
    assert refused.value.result.reason is Reason.UNREADABLE_SOURCE
    assert name in refused.value.result.message


def test_a_sound_has_no_pictures(tmp_path: Path) -> None:
    tone = tmp_path / "tone.mp3"
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", tone)
    with pytest.raises(Refused, match="it has sound"):
        drawn(tone, tmp_path / "out", "jpg")


def test_the_gate_finds_another_picture(film: Path, still: Path, tmp_path: Path) -> None:
    made = drawn(film, tmp_path, "jpg")
    wanted = proof_wanted(made.title, made.file)
    assert prove(wanted).pictures == 1
    for other, message in ((still, "64x48 pixels"), (film, r"is h264|75 frames")):
        with pytest.raises(VerificationFailed, match=message):
            prove(wanted.model_copy(update={"path": str(other)}))
    (tmp_path / "cut.jpg").write_bytes(made.file.read_bytes()[:100])
    with pytest.raises(VerificationFailed, match=r"cannot be read back|0 frames"):
        prove(wanted.model_copy(update={"path": str(tmp_path / "cut.jpg")}))


def test_a_folder_name_with_a_percent_sign_is_no_pattern(film: Path, tmp_path: Path) -> None:
    made = drawn(film, tmp_path / "50%d", "jpg", picture="thumbnails", count=2)
    assert len(made.files) == 2
