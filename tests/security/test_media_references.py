"""A file that a stranger has sent is read itself, and nothing that it names: no other file, and no address."""

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from framemill.errors import SourceUnreadable
from framemill.media import ffmpeg
from framemill.media.readable import FORMATS, guarded, names_others
from framemill.media.source import read_source


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody else's film, which the attacker cannot read but would like to see in an output of theirs."""
    path = tmp_path_factory.mktemp("victim") / "secret.ts"
    film = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=25:duration=1", "-c:v", "mpeg2video", "-f", "mpegts")
    subprocess.run([ffmpeg.binary(), "-v", "error", *film, str(path)], check=True)
    return path


#: Files that name another one, by absolute path, by URL, relative, or as data: what is sent, and what it is called.
LISTS: dict[str, tuple[str, Callable[[Path], str]]] = {
    "an HLS playlist with a path": (
        "a.m3u8",
        lambda film: f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n",
    ),
    "an HLS playlist with a file: URL, called a film": (
        "a.mp4",
        lambda film: f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{film}\n#EXT-X-ENDLIST\n",
    ),
    "an HLS playlist behind a byte order mark": (
        "a.ts",
        lambda film: f"\ufeff#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n",
    ),
    "an HLS playlist that glues two files": (
        "a.m3u8",
        lambda film: f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nconcat:{film}|{film}\n#EXT-X-ENDLIST\n",
    ),
    "an HLS playlist with a part of a file": (
        "a.m3u8",
        lambda film: f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsubfile,,start,0,end,0,,:{film}\n#EXT-X-ENDLIST\n",
    ),
    "an HLS key": (
        "a.m3u8",
        lambda film: (
            f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{film}"\n#EXTINF:1,\n'
            "data:video/mp2t;base64,AAAA\n#EXT-X-ENDLIST\n"
        ),
    ),
    "a list to be joined": ("a.ffconcat", lambda film: f"ffconcat version 1.0\nfile '{film}'\n"),
    "a list to be joined, called a film": ("a.mov", lambda film: f"ffconcat version 1.0\nfile {film.name}\n"),
    "a DASH manifest": (
        "a.mpd",
        lambda film: (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
            f'<Representation id="1" bandwidth="1"><BaseURL>{film}</BaseURL></Representation></AdaptationSet></Period>'
            "</MPD>"
        ),
    ),
    "a DASH manifest whose entities grow": (
        "b.mpd",
        lambda _: (
            '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lol">'
            + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in pairwise("abcdefghij"))
            + "]><MPD>&j;</MPD>"
        ),
    ),
    "an IMF package": ("a.xml", lambda film: f'<?xml version="1.0"?><AssetMap><Path>{film}</Path></AssetMap>'),
    "a session description": (
        "a.sdp",
        lambda _: "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 9 RTP/AVP 33\r\n",
    ),
    "a VobSub index": ("secret.idx", lambda _: "# VobSub index file, v7 (do not modify this line!)\nsize: 64x64\n"),
    "a script of AviSynth": ("a.avs", lambda film: f'DirectShowSource("{film}")\n'),
    "a script of VapourSynth": ("a.vpy", lambda film: f'core.ffms2.Source("{film}").set_output()\n'),
}


@pytest.mark.parametrize("called", LISTS)
def test_a_file_that_names_another_is_no_source(called: str, victim: Path, tmp_path: Path) -> None:
    """The attacker uploads a list, under whatever name, and hopes for an output with the victim's film in it."""
    name, made = LISTS[called]
    path = tmp_path / name
    path.write_text(made(victim), "utf-8")
    (tmp_path / victim.name).write_bytes(victim.read_bytes())  # also where it lies beside

    with pytest.raises(SourceUnreadable) as refused:
        asyncio.run(read_source(str(path)))

    assert victim.read_bytes()[:16].hex() not in refused.value.message


@pytest.mark.parametrize("called", LISTS)
def test_ffmpeg_itself_does_not_read_one_either(called: str, victim: Path, tmp_path: Path) -> None:
    """The same where only ffmpeg takes the file for a list, since its formats are not those of the prober."""
    name, made = LISTS[called]
    path = tmp_path / name
    path.write_text(made(victim), "utf-8")

    frames = ("-i", str(path), "-map", "0:v:0", "-f", "framecrc", "-")
    finished = asyncio.run(ffmpeg.run([ffmpeg.binary(), "-nostdin", "-v", "error", *frames]))

    assert finished.status != 0
    assert finished.stdout == b""


def test_one_would_be_followed_without_the_guard(victim: Path, tmp_path: Path) -> None:
    """The attack is one: plain ffmpeg shows the victim's film."""
    path = tmp_path / "a.m3u8"
    path.write_text(LISTS["an HLS playlist with a path"][1](victim))

    frames = ("-i", str(path), "-map", "0:v:0", "-f", "framecrc", "-")
    ran = subprocess.run([ffmpeg.binary(), "-nostdin", "-v", "error", *frames], capture_output=True, check=True)

    assert ran.stdout.count(b"\n0, ") == 25


def test_the_refusal_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.m3u8"
    path.write_text("#EXTM3U\nhttp://example.org/a.ts\n")

    with pytest.raises(SourceUnreadable, match="only names other files"):
        asyncio.run(read_source(str(path)))


def test_a_name_with_a_pattern_names_no_other_file(tmp_path: Path) -> None:
    """The attacker calls a picture `%03d.png`, and hopes for the victim's `001.png` that lies beside it."""
    path = still(tmp_path / "001.png").with_name("%03d.png")
    path.write_bytes(still(tmp_path / "made.png").read_bytes())

    with pytest.raises(SourceUnreadable, match="named like a sequence"):
        asyncio.run(read_source(str(path)))
    frames = ("-i", str(path), "-map", "0:v:0", "-f", "framecrc", "-")
    finished = asyncio.run(ffmpeg.run([ffmpeg.binary(), "-nostdin", "-v", "error", *frames]))
    assert finished.status != 0
    assert finished.stdout == b""


def still(path: Path) -> Path:
    drawn = ("-f", "lavfi", "-i", "color=red:size=16x16", "-frames:v", "1", "-update", "1")
    subprocess.run([ffmpeg.binary(), "-v", "error", *drawn, str(path)], check=True)
    return path


def test_a_percent_sign_alone_is_a_letter(tmp_path: Path) -> None:
    path = still(tmp_path / "50.png").rename(tmp_path / "50% off.png")

    assert asyncio.run(read_source(str(path))).picture["width"] == 16


@pytest.mark.parametrize(
    "name", ["-i.mp4", "a:b.mp4", "http:x.mp4", "concat:a|b.mp4", "pipe:0", "a\nb.mp4", "$(id).mp4"]
)
def test_a_name_is_a_name(name: str, victim: Path, tmp_path: Path) -> None:
    """The attacker calls a file like an option, a protocol or a command."""
    path = tmp_path / name
    path.write_bytes(victim.read_bytes())

    assert asyncio.run(read_source(str(path))).picture["width"] == 64


@contextlib.contextmanager
def listener() -> Iterator[tuple[int, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server.getsockname()[1], server


def heard(server: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        server.accept()[0].close()
        return True
    return False


def test_no_input_is_an_address() -> None:
    """Somebody finds a way to hand ffmpeg a URL as its input: it asks nobody."""
    with listener() as (port, server):
        url = f"http://127.0.0.1:{port}/a.mp4"
        finished = asyncio.run(ffmpeg.run([ffmpeg.binary(), "-nostdin", "-v", "error", "-i", url, "-f", "null", "-"]))

        assert finished.status != 0
        assert not heard(server)


def test_every_input_of_a_command_is_guarded() -> None:
    args = [
        "-ss",
        "1",
        "-i",
        "/a",
        "-f",
        "png_pipe",
        "-i",
        "/b",
        "-protocol_whitelist",
        "file",
        "-i",
        "/c%d",
        "-i",
        "-",
    ]

    found = guarded(args)

    assert [found[at - 1] for at, word in enumerate(found) if word == "-i"][1] == "file"
    assert found.count("-protocol_whitelist") == 4
    assert found.count("-format_whitelist") == 3
    assert found[found.index("-") - 4 : found.index("-") - 2] == ["pipe", "-format_whitelist"]


def test_formats_that_open_what_they_name_are_not_among_those_that_are_read() -> None:
    known = set(FORMATS.split(","))

    assert known.isdisjoint(
        {"hls", "dash", "concat", "imf", "sdp", "rtp", "rtsp", "sap", "lavfi", "vobsub", "avisynth"}
    )
    assert {"mov", "matroska", "mpegts", "avi", "flv", "mxf", "ogg"} <= known


def test_a_film_does_not_look_like_a_list(victim: Path) -> None:
    assert not names_others(victim)
