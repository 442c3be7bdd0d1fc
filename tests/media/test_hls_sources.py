"""Recordings that come as HLS: what is put together of their pieces shows and sounds as the film did before."""

import asyncio
import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import clips
import pytest
from reached import OPENED

from framemill.errors import SourceRefused
from framemill.farm.fetching import fetched
from framemill.media import ffmpeg
from framemill.media.source import index_source, read_source
from framemill.sealing import Seals
from framemill.services.desk import Desk, way_of
from framemill.storage.access import HttpAccess
from framemill.storage.keyring import Keyring, Way

HLS = ("-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod")


class Files(SimpleHTTPRequestHandler):
    """Of a folder; it knows no ranges."""

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hls")
    film = folder / "film.mp4"
    clips.ffmpeg(*clips.picture(4, "25", "192x108"), *clips.sound(4), *clips.x264("keyint=25"), "-c:a", "aac", film)
    copy = ("-i", film, "-c", "copy")
    (folder / "the.key").write_bytes(bytes(range(16)))
    (folder / "key.info").write_text(f"the.key\n{folder / 'the.key'}\n")
    for name, more in {
        "ts": (),
        "fmp4": ("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "fmp4-init.mp4"),
        "ranges": ("-hls_flags", "single_file"),
        "aes": ("-hls_key_info_file", folder / "key.info"),
    }.items():
        clips.ffmpeg(*copy, *HLS, *more, folder / f"{name}.m3u8")
    for form in ("mpegts", "fmp4"):
        apart = folder / form
        apart.mkdir()
        clips.ffmpeg(
            *copy,
            *("-map", "0:v", "-map", "0:a", *HLS, "-hls_segment_type", form),
            *("-master_pl_name", "master.m3u8", "-var_stream_map", "v:0,agroup:s a:0,agroup:s"),
            apart / "track-%v.m3u8",
        )
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def shown(path: Path, kind: str) -> list[str]:
    """Hashes of what is seen or heard."""
    wanted = ("-map", f"0:{kind}", "-f", "framehash", "-")
    run = ffmpeg.ffmpeg(["-nostdin", "-loglevel", "error", "-i", str(path), *wanted])
    lines = asyncio.run(run).stdout.decode().splitlines()
    return [line.split(",")[-1].strip() for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("name", ["ts", "fmp4", "ranges", "aes", "mpegts/master", "fmp4/master"])
def test_a_recording_is_the_film_that_it_was_cut_of(name: str, folder: Path, url: str, tmp_path: Path) -> None:
    way = Way(uri=f"{url}/{name}.m3u8")
    path = Path(asyncio.run(fetched(way, Keyring(networks=OPENED), tmp_path)).path)
    assert shown(path, "v") == shown(folder / "film.mp4", "v")
    assert len(shown(path, "a")) >= len(shown(folder / "film.mp4", "a"))

    async def read() -> int:
        source = await read_source(str(path), way.uri)
        index = await index_source(source, decode=False, linear=False)
        return len(index.pts) if index is not None else 0

    assert asyncio.run(read()) == 100


def test_how_much_of_a_recording_is_here_is_told_by_its_pieces(url: str, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []

    def heard(done: int, total: int | None) -> None:
        told.append((done, total))

    path = asyncio.run(fetched(Way(uri=f"{url}/fmp4/master.m3u8"), Keyring(networks=OPENED), tmp_path, heard)).path
    shares = [done / total for done, total in told if total]
    assert Path(path).exists()
    assert len(set(shares)) >= 8  # four pieces of pictures, four of sound, and what begins each
    assert shares[-1] == 1
    assert shares == sorted(shares)


def test_who_wants_one_server_alone_is_led_to_no_other(folder: Path, url: str, tmp_path: Path) -> None:
    (folder / "stray.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.2:9/0.ts\n#EXT-X-ENDLIST\n")
    keyring = Keyring(seals=Seals("a secret"), guarded=False)
    way = way_of(f"{url}/stray.m3u8", HttpAccess(alone=True), "a", Desk(Seals("a secret"), OPENED))
    with pytest.raises(SourceRefused, match="leads to another server"):
        asyncio.run(fetched(way, keyring, tmp_path))
