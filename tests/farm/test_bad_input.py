"""What cannot be encoded is refused with one clear line, and leaves nothing behind."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import pytest
from servers.started import free_port

from framemill.errors import SourceRefused
from framemill.media.ffmpeg import binary
from framemill.services.local import LocalSession
from framemill.services.requests import encode_request, existing

Clip = Callable[[str], Path]
COMMAND = [sys.executable, "-m", "framemill"]
QUICK = {"encoder_preset": "ultrafast"}


@pytest.fixture
def refused(farm: LocalSession, tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Encode what cannot be; the reason and the message, after a look at what was left."""

    def run(source: str, target: Path | None = None, **settings: str) -> tuple[str, str]:
        target = target or tmp_path / "outputs" / "out.mp4"
        target.parent.mkdir(exist_ok=True)
        row = farm.encode(encode_request(source, str(target), None, QUICK | settings), lambda _: None)
        return why(row, target.parent)

    return run


def why(row: dict[str, Any], folder: Path) -> tuple[str, str]:
    """The reason and the message of a job that failed and left nothing in its folder."""
    assert (row["state"], row["report"]) == ("failed", None)
    assert "\n" not in row["message"]
    assert os.listdir(folder) == []
    return row["reason"], row["message"]


@pytest.fixture(scope="module", autouse=True)
def hanging(farm: LocalSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Future[Any], Path]]:
    """A job whose source hangs: begun first, so that its half minute passes beside the other tests."""
    target = tmp_path_factory.mktemp("hanging") / "out.mp4"
    with ThreadPoolExecutor(1) as pool, socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}/film.mp4"
        yield pool.submit(farm.encode, encode_request(uri, str(target), None, QUICK), lambda _: None), target.parent


def ffmpeg(*words: str) -> None:
    subprocess.run([binary(), "-nostdin", "-v", "error", "-y", *words], check=True)


def film(path: Path, *more: str) -> Path:
    """Twenty seconds of pictures and sound, with its index in front."""
    pictures = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=20"]
    sound = ["-f", "lavfi", "-i", "sine=sample_rate=48000:duration=20"]
    encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac"]
    ffmpeg(*pictures, *sound, *encoded, "-movflags", "+faststart", *more, str(path))
    return path


def renamed(path: Path, box: bytes, name: bytes) -> None:
    """Call a codec by a name that nobody knows."""
    data = path.read_bytes()
    at = data.index(box, data.index(b"stsd"))
    path.write_bytes(data[:at] + name + data[at + 4 :])


def test_a_film_cut_short_is_refused_and_kept_when_asked(
    refused: Callable[..., tuple[str, str]], farm: LocalSession, tmp_path: Path
) -> None:
    source = film(tmp_path / "film.mp4")
    os.truncate(source, source.stat().st_size // 2)

    reason, message = refused(str(source))

    assert reason == "source_damaged"
    assert "film.mp4 is damaged: " in message
    assert "ends before what it promises" in message
    assert "on_damage=keep" in message
    settings = {**QUICK, "on_damage": "keep", "verify": "full"}
    row = farm.encode(encode_request(str(source), str(tmp_path / "kept.mp4"), None, settings), lambda _: None)
    assert row["state"] == "completed", row["message"]
    assert row["report"]["plan"]["index"]["damage"]["cut_short"]
    assert any("is damaged" in warning for warning in row["report"]["warnings"])


def test_a_film_whose_index_is_missing_is_cut_short(refused: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", "-movflags", "-faststart")
    os.truncate(source, source.stat().st_size // 2)

    reason, message = refused(str(source))

    assert reason == "unreadable_source"
    assert "it is cut short. Its box 'mdat' should end at byte" in message


def test_pictures_that_decode_in_part_are_named_by_their_times(
    refused: Callable[..., tuple[str, str]], farm: LocalSession, tmp_path: Path
) -> None:
    source = film(tmp_path / "film.mp4")
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    source.write_bytes(data)

    reason, message = refused(str(source))

    assert reason == "source_damaged"
    assert "the first at " in message
    settings = {**QUICK, "on_damage": "keep"}
    row = farm.encode(encode_request(str(source), str(tmp_path / "kept.mp4"), None, settings), lambda _: None)
    assert row["state"] == "completed", row["message"]
    damage = row["report"]["plan"]["index"]["damage"]
    assert 0 < len([*damage["missing"], *damage["patched"]]) < 100
    assert all(5 < seconds < 15 for seconds in [*damage["missing"], *damage["patched"]])


def test_a_codec_that_nobody_knows(refused: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4")
    renamed(source, b"avc1", b"zzzz")
    reason, message = refused(str(source))
    assert reason == "unreadable_source"
    assert "nobody knows the codec of its pictures" in message


def test_an_encrypted_film_asks_for_its_owner_to_decrypt_it(
    refused: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    key = ("-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")
    source = film(tmp_path / "film.mp4", "-encryption_scheme", "cenc-aes-ctr", *key)
    assert refused(str(source)) == (
        "source_encrypted",
        f"{source} is encrypted; decrypt it first, keys are not taken.",
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"hello\n" * 1000, "not a media file"), (bytes(range(256)) * 100, "not a media file")],
)
def test_what_is_no_media(refused: Callable[..., tuple[str, str]], tmp_path: Path, data: bytes, words: str) -> None:
    source = tmp_path / "letter.mp4"
    source.write_bytes(data)
    reason, message = refused(str(source))
    assert reason == "unreadable_source"
    assert words in message


def test_a_film_without_a_frame(refused: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    with av.open(str(source), "w") as container:
        container.add_stream("mpeg4", rate=25, width=320, height=180)
        container.start_encoding()
    reason, message = refused(str(source))
    assert reason == "unreadable_source"
    assert "film.mp4" in message


@contextmanager
def http(status: int) -> Iterator[str]:
    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/film.mp4"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "reason", "then"),
    [
        (404, "source_missing", "Check the address."),
        (403, "source_refused", "it needs other credentials"),
        (503, "source_unreachable", "Try again later."),
    ],
)
def test_a_server_that_refuses(refused: Callable[..., tuple[str, str]], status: int, reason: str, then: str) -> None:
    with http(status) as url:
        found, message = refused(url)
    assert (found, f"{url} answered {status}" in message, then in message) == (reason, True, True)


def test_a_server_that_is_not_there(refused: Callable[..., tuple[str, str]]) -> None:
    reason, message = refused(f"http://127.0.0.1:{free_port()}/film.mp4")
    assert reason == "source_unreachable"
    assert "could not be reached" in message


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting a small disk takes root")
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """The farm works beside its output, so a small disk there is full before anything is published."""
    source, disk = film(tmp_path / "film.mp4"), tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        words = ["encode", str(source), "-o", str(disk / "out.mp4"), "--set", "crf=0"]
        done = subprocess.run([*COMMAND, *words], check=False, capture_output=True, text=True)
        left = os.listdir(disk)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # who ends just now may hold a file there
    assert (done.returncode, done.stderr.count("\n"), left) == (1, 1, [])
    assert "disk is full" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody without rights takes root")
def test_a_source_that_we_may_not_read(tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    source.write_bytes(b"secret")
    source.chmod(0)
    os.seteuid(_NOBODY)
    try:
        with pytest.raises(SourceRefused, match="cannot be read: Permission denied"):
            existing(str(source))
    finally:
        os.seteuid(0)


_NOBODY = 65534


def test_a_destination_that_cannot_be_written(farm: LocalSession, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    request = encode_request(str(film(tmp_path / "film.mp4")), str(tmp_path / "file" / "out.mp4"), None, QUICK)
    row = farm.encode(request, lambda _: None)
    assert (row["state"], row["reason"]) == ("failed", "target_refused")
    assert "could not be put at" in row["message"]


def test_a_server_that_hangs_is_given_up(hanging: tuple[Future[Any], Path]) -> None:
    job, folder = hanging
    reason, message = why(job.result(), folder)
    assert reason == "source_unreachable"
    assert "silent for 30 s" in message
