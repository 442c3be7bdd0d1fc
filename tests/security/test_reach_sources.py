"""What a source may make the farm connect to, and how much of it comes: redirects, children of playlists, credentials,
bodies without an end, servers that drip."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from reached import CLOSED, OPEN, OPENED, Answer, Heard, Server, head_of, serving, speaking

from framemill.errors import (
    SourceEncrypted,
    SourceError,
    SourceMissing,
    SourceRefused,
    SourceTooLarge,
    SourceUnreachable,
    SourceUnreadable,
)
from framemill.farm.fetching import Bounds, Fetched, fetched
from framemill.storage.keyring import Keyring, Way

CLIENTS = Keyring(networks=OPENED)
END = "#EXT-X-ENDLIST\n"


def fetch(way: Way | str, folder: Path, bounds: Bounds = Bounds(), keyring: Keyring = CLIENTS) -> Fetched:  # noqa: B008
    return asyncio.run(fetched(Way(uri=way) if isinstance(way, str) else way, keyring, folder, bounds=bounds))


@contextlib.contextmanager
def files(**bodies: bytes | str) -> Iterator[Server]:
    """A server of those files, by their names with the first `_` for a dot."""
    known = {"/" + name.replace("_", ".", 1): body for name, body in bodies.items()}

    def answers(heard: Heard) -> Answer:
        body = known.get(heard.path.partition("?")[0])
        if body is None:
            return Answer(404)
        whole = body.encode() if isinstance(body, str) else body
        wanted = heard.headers.get("range", "")
        if wanted and wanted != "bytes=0-0":
            first, last = wanted.removeprefix("bytes=").split("-")
            part = whole[int(first) : int(last or len(whole)) + 1]
            return Answer(206, {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(whole)}"}, part)
        return Answer(200, {}, whole)

    with serving(answers) as server:
        yield server


@pytest.fixture
def closed() -> Iterator[Server]:
    with serving(lambda _: Answer(200, {}, b"secrets of the house"), host=CLOSED) as server:
        yield server


def vod(*lines: str) -> str:
    return "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:4", *lines, END])


# Addresses


def test_a_source_in_a_closed_network_is_refused_with_the_line_that_opens_it(closed: Server, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"FRAMEMILL_ALLOWED_NETWORKS=127\.0\.0\.2/32"):
        fetch(f"{closed.url}/film.mp4", tmp_path)
    assert closed.heard == []


def test_what_the_farms_own_user_names_is_not_closed(closed: Server, tmp_path: Path) -> None:
    found = fetch(Way(uri=f"{closed.url}/film.mp4", trusted=True), tmp_path)
    assert Path(found.path).read_bytes() == b"secrets of the house"
    assert fetch(f"{closed.url}/film.mp4", tmp_path, keyring=Keyring(guarded=False)) == found


def test_a_redirect_into_a_closed_network_is_refused(closed: Server, tmp_path: Path) -> None:
    there = f"{closed.url}/latest/meta-data"
    with serving(lambda _: Answer(302, {"Location": there})) as server, pytest.raises(SourceRefused, match="closed"):
        fetch(server.url + "/film.mp4", tmp_path)
    assert closed.heard == []


@pytest.mark.parametrize(
    "there", ["file:///etc/passwd", "ftp://127.0.0.1/x", "//127.0.0.2:{port}/", "http:\\\\127.0.0.2/"]
)
def test_a_redirect_to_something_else_is_not_followed(there: str, closed: Server, tmp_path: Path) -> None:
    answer = Answer(307, {"Location": there.format(port=closed.port)})
    with serving(lambda _: answer) as server, pytest.raises(SourceError):
        fetch(server.url + "/film.mp4", tmp_path)
    assert closed.heard == []


def test_redirects_come_to_an_end(tmp_path: Path) -> None:
    with serving(lambda heard: Answer(302, {"Location": heard.path + "x"})) as server, pytest.raises(SourceError):
        fetch(server.url + "/film.mp4", tmp_path)
    assert len(server.heard) < 100


def test_credentials_are_told_to_nobody_else(tmp_path: Path) -> None:
    """Neither to another host nor to another port of the same one."""
    with (
        serving(lambda _: Answer(200, {}, b"film")) as other,
        serving(lambda _: Answer(302, {"Location": other.url + "/film.mp4"})) as server,
    ):
        fetch(f"http://user:hunter2@{OPEN}:{server.port}/film.mp4", tmp_path)
    assert "authorization" in server.heard[0].headers
    assert all("authorization" not in heard.headers for heard in other.heard)


def test_no_message_repeats_a_secret(tmp_path: Path) -> None:
    with serving(lambda _: Answer(403)) as server, pytest.raises(SourceRefused) as refused:
        fetch(f"http://user:hunter2@{OPEN}:{server.port}/film.mp4?token=sesame", tmp_path)
    assert "hunter2" not in refused.value.message
    assert "sesame" not in refused.value.message


# Bodies


def test_a_body_that_is_longer_than_the_job_allows_is_cut_off(tmp_path: Path) -> None:
    """Whether it says so, or only sends on and on."""
    with serving(lambda _: Answer(200, {}, b"x" * 5_000_000)) as server, pytest.raises(SourceTooLarge):
        fetch(server.url + "/a.mp4", tmp_path, Bounds(most_bytes=1_000_000))

    def endless(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with speaking(endless) as server, pytest.raises(SourceTooLarge):
        fetch(server.url + "/a.mp4", tmp_path, Bounds(most_bytes=10_000_000, once="1"))
    assert not (tmp_path / "a.mp4").exists()


def test_a_server_that_drips_is_given_up(tmp_path: Path) -> None:
    """A byte now and then keeps every limit of silence away."""

    def drips(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        connection.settimeout(0.02)
        for _ in range(150):
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    return

    with speaking(drips) as server, pytest.raises(SourceUnreachable, match="less than"):
        fetch(server.url + "/a.mp4", tmp_path, Bounds(slow_seconds=0.5))


def test_a_body_that_breaks_off_is_gone_on_with(tmp_path: Path) -> None:
    whole = bytes(range(256)) * 4000

    def breaks(connection: socket.socket) -> None:
        head = head_of(connection)
        first = int(head.partition(b"bytes=")[2].partition(b"-")[0] or 0)
        if b"bytes=0-0" in head:
            size = f"bytes 0-0/{len(whole)}".encode()
            connection.sendall(
                b'HTTP/1.1 206 Partial Content\r\nETag: "1"\r\nContent-Length: 1\r\nContent-Range: '
                + size
                + b"\r\n\r\n\0"
            )
            return
        ranges.append(first)
        status = b"206 Partial Content" if first else b"200 OK"
        place = f"Content-Range: bytes {first}-{len(whole) - 1}/{len(whole)}\r\n" if first else ""
        connection.sendall(
            b"HTTP/1.1 "
            + status
            + b'\r\nETag: "1"\r\n'
            + f"Content-Length: {len(whole) - first}\r\n{place}\r\n".encode()
        )
        connection.sendall(whole[first : first + 600_000])

    ranges: list[int] = []
    with speaking(breaks) as server:
        found = fetch(server.url + "/a.mp4", tmp_path)
    assert Path(found.path).read_bytes() == whole
    assert ranges[0] == 0
    assert ranges[-1] > 0


# Playlists


def test_a_recording_is_fetched_piece_by_piece_into_one_file(tmp_path: Path) -> None:
    listed = vod("#EXTINF:4,", "a.ts", "#EXTINF:4,", "b.ts?token=1")
    with files(list_m3u8=listed, a_ts=b"G" + b"a" * 100, b_ts=b"G" + b"b" * 100) as server:
        found = fetch(server.url + "/list.m3u8", tmp_path)
    assert Path(found.path).read_bytes() == b"G" + b"a" * 100 + b"G" + b"b" * 100
    assert Path(found.path).suffix != ".m3u8"


def test_the_best_picture_of_several_is_taken(tmp_path: Path) -> None:
    master = (
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=640x360\nlow.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=800,RESOLUTION=1280x720\nhigh.m3u8\n"
    )
    with files(master_m3u8=master, high_m3u8=vod("#EXTINF:4,", "h.ts"), h_ts=b"Ghigh") as server:
        assert Path(fetch(server.url + "/master.m3u8", tmp_path).path).read_bytes() == b"Ghigh"


def test_bytes_of_one_file_are_put_together(tmp_path: Path) -> None:
    listed = vod(
        '#EXT-X-MAP:URI="all.mp4",BYTERANGE="4@0"',
        *("#EXT-X-BYTERANGE:3@6", "#EXTINF:4,", "all.mp4", "#EXT-X-BYTERANGE:2", "#EXTINF:4,", "all.mp4"),
    )
    with files(list_m3u8=listed, all_mp4=b"init--abcdefgh") as server:
        assert Path(fetch(server.url + "/list.m3u8", tmp_path).path).read_bytes() == b"initabcde"


def test_an_encrypted_recording_is_opened_with_its_key(tmp_path: Path) -> None:
    key, padder = bytes(range(16)), padding.PKCS7(128).padder()
    plain = b"G" + b"film" * 50
    coder = Cipher(algorithms.AES(key), modes.CBC((7).to_bytes(16, "big"))).encryptor()
    coded = coder.update(padder.update(plain) + padder.finalize()) + coder.finalize()
    listed = vod("#EXT-X-MEDIA-SEQUENCE:7", '#EXT-X-KEY:METHOD=AES-128,URI="the.key"', "#EXTINF:4,", "a.ts")
    with files(list_m3u8=listed, a_ts=coded, the_key=key) as server:
        assert Path(fetch(server.url + "/list.m3u8", tmp_path).path).read_bytes() == plain
    with files(list_m3u8=listed, a_ts=coded, the_key=key[::-1]) as server, pytest.raises(SourceEncrypted):
        fetch(server.url + "/list.m3u8", tmp_path)


@pytest.mark.parametrize(
    "lines",
    [
        ("#EXTINF:4,", "http://127.0.0.2:{port}/a.ts"),
        ('#EXT-X-MAP:URI="http://127.0.0.2:{port}/init.mp4"', "#EXTINF:4,", "a.ts"),
        ('#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.2:{port}/key"', "#EXTINF:4,", "a.ts"),
        ("#EXTINF:4,", "http://[::ffff:127.0.0.2]:{port}/a.ts"),
    ],
)
def test_a_child_in_a_closed_network_is_refused_with_the_reason(
    lines: tuple[str, ...], closed: Server, tmp_path: Path
) -> None:
    listed = vod(*lines).replace("{port}", str(closed.port))
    with files(list_m3u8=listed, a_ts=b"G") as server, pytest.raises(SourceRefused) as refused:
        fetch(server.url + "/list.m3u8", tmp_path, keyring=Keyring(networks=OPENED))
    assert "closed to clients" in refused.value.message
    assert closed.heard == []


def test_a_variant_and_a_sound_in_a_closed_network_are_refused(closed: Server, tmp_path: Path) -> None:
    variant = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{closed.url}/x.m3u8\n"
    sound = (
        f'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="{closed.url}/x.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nv.m3u8\n'
    )
    for master in (variant, sound):
        picture = vod("#EXTINF:4,", "a.ts")
        with (
            files(list_m3u8=master, v_m3u8=picture, a_ts=b"G") as server,
            pytest.raises(SourceRefused, match="closed to clients"),
        ):
            fetch(server.url + "/list.m3u8", tmp_path)
    assert closed.heard == []


@pytest.mark.parametrize(
    "child",
    ["file:///etc/passwd", "concat:a|b", "data:text/plain,x", "gopher://x/", "subfile,,start,0,end,9,,:/etc/passwd"],
)
def test_a_child_that_is_not_on_the_web_is_refused(child: str, tmp_path: Path) -> None:
    with files(list_m3u8=vod("#EXTINF:4,", child)) as server, pytest.raises((SourceRefused, SourceMissing)):
        fetch(server.url + "/list.m3u8", tmp_path)
    assert not list(tmp_path.glob("*root*"))


@pytest.mark.parametrize(
    "child", ["/etc/passwd", "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "file:///etc/passwd"]
)
def test_a_playlist_on_this_machine_names_only_what_lies_beside_it(child: str, tmp_path: Path) -> None:
    """And only where the farm's own user has named it: what others name is that file and nothing more."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    listed = folder / "list.m3u8"
    listed.write_text(vod("#EXTINF:4,", child))
    with pytest.raises(SourceRefused):
        fetch(Way(uri=str(listed), trusted=True), tmp_path / "out")
    assert fetch(str(listed), tmp_path / "out").path == str(listed)  # whoever reads it finds out that it is no film


def test_a_playlist_beside_its_pieces_is_read_for_the_farms_own_user(tmp_path: Path) -> None:
    (tmp_path / "list.m3u8").write_text(vod("#EXTINF:4,", "a.ts"))
    (tmp_path / "a.ts").write_bytes(b"Gfilm")
    found = fetch(Way(uri=str(tmp_path / "list.m3u8"), trusted=True), tmp_path / "out")
    assert Path(found.path).read_bytes() == b"Gfilm"


def test_the_pieces_count_together(tmp_path: Path) -> None:
    listed = vod(*[line for _ in range(30) for line in ("#EXTINF:4,", "a.ts")])
    with files(list_m3u8=listed, a_ts=b"G" * 100_000) as server, pytest.raises(SourceTooLarge):
        fetch(server.url + "/list.m3u8", tmp_path, Bounds(most_bytes=1_000_000))
    assert len(server.heard) < 20


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("#EXTM3U\n#EXTINF:4,\na.ts\n", SourceUnreadable),  # live
        ("#EXTM3U\n#EXT-X-ENDLIST\n", SourceUnreadable),
        (vod('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x"', "#EXTINF:4,", "a.ts"), SourceEncrypted),
        (vod('#EXT-X-KEY:METHOD=AES-128,KEYFORMAT="com.x",URI="k"', "#EXTINF:4,", "a.ts"), SourceEncrypted),
        (vod('#EXT-X-KEY:METHOD=AES-128,URI="a.ts"', "#EXTINF:4,", "a.ts"), SourceEncrypted),  # no key of 16 bytes
        (vod("#EXTINF:4,", "a.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:4,", "a.ts"), SourceUnreadable),
        (vod("#EXTINF:4,", "missing.ts"), SourceMissing),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n", SourceUnreadable),  # names itself
        (vod("#EXTINF:4,", "a.ts") + "#" * (9 << 20), SourceUnreadable),
    ],
)
def test_what_cannot_be_put_together_is_refused(text: str, kind: type[SourceError], tmp_path: Path) -> None:
    with files(list_m3u8=text, a_ts=b"G") as server, pytest.raises(kind):
        fetch(server.url + "/list.m3u8", tmp_path)
