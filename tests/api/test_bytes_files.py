"""Outputs as they are fetched: by one link all files of a package, in ranges, with conditions, within limits."""

import asyncio
import base64
import hashlib
import os
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from front_door import KEY, FrontDoor, laid_down, place_of

from framemill.jobs.model import Delivery, Job, Output, Target
from framemill.jobs.settings import OutputSettings
from framemill.services.fileplace import FilePlace
from framemill.services.links import output_token
from framemill.storage.workplace import growing_folder
from framemill.store.database import Database
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import add_job, load_job

BODY = bytes(range(256)) * 8192  # 2 MiB
SHA256 = hashlib.sha256(BODY).hexdigest()
NOON = 1_900_000_000


class Door(FrontDoor):
    """The whole of the farm's HTTP, with outputs that lie there as a coordinator would have left them."""

    def ask(self, method: str, url: str, **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.whole)
            async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
                told = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.request(method, url, headers=told)

        return asyncio.run(ask())

    def get(self, url: str, **headers: str) -> httpx.Response:
        return self.ask("GET", url, **headers)

    def link(self, output: Output, path: str, seconds: int = 60) -> str:
        token = output_token(self.parts.seals, output.id, datetime.now(UTC) + timedelta(seconds=seconds))
        return f"http://farm.example/files/outputs/{token}/{path}"

    def shown(self, output: Output) -> dict[str, Any]:
        answer = self.ask("GET", f"/v1/outputs/{output.id}", authorization=f"Bearer {KEY}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def output(self, files: dict[str, bytes], *, account: str = "default", attempt: int = 1, **fields: Any) -> Output:
        """An output that is published with these files."""
        job = Job(account=account, door="native", created_at=datetime.now(UTC), attempt=attempt)
        output = Output(**{"job_id": job.id, "name": "film.mp4", **fields})
        where = {"target": 0, "uri": output.targets[0].uri} if output.targets else {}
        rows = [laid_down(self, output, path, body, attempt=attempt, **where) for path, body in files.items()]
        for path in files:
            os.utime(place_of(self, output, path, attempt), (NOON, NOON))
        with self.database.writing() as conn:
            add_job(conn, job, [], [output])
            save_deliveries(conn, rows)
        return output

    def package(self, **fields: Any) -> Output:
        return self.output(
            {
                "master.m3u8": b"#EXTM3U\n720p/playlist.m3u8\n",
                "720p/playlist.m3u8": b"#EXTM3U\n00000.m4s\n",
                "720p/00000.m4s": BODY,
                "360p/media.mp4": BODY,
            },
            **{"name": "film", "settings": OutputSettings(container="package"), **fields},
        )

    def count(self, output: Output) -> int:
        with self.database.reading() as conn:
            found = load_job(conn, output.job_id)
        assert found is not None
        return found[2][0].download_count


@pytest.fixture
def door(database: Database) -> Door:
    return Door(database)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def basic(password: str, user: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TestWhole:
    def test_a_file_with_all_that_is_known_of_it(self, door: Door) -> None:
        output = door.output({"output.mp4": BODY}, name="Käse.mp4")

        answer = door.get(door.link(output, "output.mp4"))

        assert answer.status_code == 200
        assert answer.content == BODY
        headers = answer.headers
        assert headers["etag"] == f'"{SHA256}"'
        assert headers["repr-digest"] == f"sha-256=:{base64.b64encode(bytes.fromhex(SHA256)).decode()}:"
        assert headers["last-modified"] == "Sun, 17 Mar 2030 17:46:40 GMT"
        assert headers["content-type"] == "video/mp4"
        assert headers["content-length"] == str(len(BODY))
        assert headers["accept-ranges"] == "bytes"
        assert headers["content-disposition"] == "inline; filename=\"K_se.mp4\"; filename*=UTF-8''K%C3%A4se.mp4"
        assert headers["x-content-type-options"] == "nosniff"

    def test_to_be_kept(self, door: Door) -> None:
        link = door.link(door.output({"output.mp4": BODY}), "output.mp4")

        assert door.get(f"{link}?disposition=attachment").headers["content-disposition"].startswith("attachment;")
        assert door.get(f"{link}?disposition=x").status_code == 422

    def test_head_tells_the_same_and_sends_nothing(self, door: Door) -> None:
        link = door.link(door.output({"output.mp4": BODY}), "output.mp4")
        whole = door.get(link)

        answer = door.ask("HEAD", link, range="bytes=0-1")

        assert (answer.status_code, answer.content) == (200, b"")  # a range is GET's alone
        assert {n: v for n, v in answer.headers.items() if n != "x-request-id"} == {
            n: v for n, v in whole.headers.items() if n != "x-request-id"
        }

    def test_the_links_of_an_output(self, door: Door) -> None:
        output = door.output({"output.mp4": BODY}, download_limit=3)

        told = door.shown(output)

        assert (told["id"], told["job_id"], told["download_limit"]) == (output.id, output.job_id, 3)
        assert told["files"][0]["url"] == told["url"]
        assert told["files"][0]["sha256"] == SHA256
        assert door.get(told["url"]).content == BODY
        assert door.shown(output)["download_count"] == 1

    def test_one_link_opens_a_whole_package(self, door: Door) -> None:
        told = door.shown(door.package())
        assert told["url"].endswith("/master.m3u8")
        base = httpx.URL(told["url"])

        master = door.get(str(base))
        playlist = door.get(str(base.join("720p/playlist.m3u8")))
        segment = door.get(str(base.join("720p/playlist.m3u8").join("00000.m4s")))

        assert master.headers["content-type"] == "application/vnd.apple.mpegurl"
        assert master.headers["cache-control"] == playlist.headers["cache-control"] == "no-cache"
        assert segment.content == BODY
        assert segment.headers["content-type"] == "video/iso.segment"
        assert segment.headers["cache-control"] == "public, max-age=86400"
        assert segment.headers["content-disposition"] == 'inline; filename="00000.m4s"'
        # What is fetched in ranges browsers put together wrongly where they need not ask.
        assert door.get(str(base.join("360p/media.mp4"))).headers["cache-control"] == "no-cache"

    def test_any_page_may_play_it(self, door: Door) -> None:
        link = door.link(door.package(), "master.m3u8")

        answer = door.get(link, origin="https://page.example")

        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Content-Range" in answer.headers["access-control-expose-headers"]


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [("bytes=0-9", 0, 9), ("bytes=2097000-", 2097000, len(BODY) - 1), ("bytes=-5", len(BODY) - 5, len(BODY) - 1)],
    )
    def test_one(self, door: Door, asked: str, first: int, last: int) -> None:
        answer = door.get(door.link(door.output({"output.mp4": BODY}), "output.mp4"), range=asked)

        assert answer.status_code == 206
        assert answer.content == BODY[first : last + 1]
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(BODY)}"
        assert answer.headers["content-length"] == str(last + 1 - first)
        assert answer.headers["etag"] == f'"{SHA256}"'

    def test_many_come_as_parts(self, door: Door) -> None:
        answer = door.get(door.link(door.output({"output.mp4": BODY}), "output.mp4"), range="bytes=0-3,10-12,-2")

        assert answer.status_code == 206
        about = Message()
        about["content-type"] = answer.headers["content-type"]
        assert about.get_content_type() == "multipart/byteranges"
        boundary = f"--{about.get_param('boundary')}".encode()
        _, *parts, end = answer.content.split(boundary)
        assert end.strip() == b"--"
        bodies = [part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for part in parts]
        assert bodies == [BODY[:4], BODY[10:13], BODY[-2:]]
        assert f"Content-Range: bytes 10-12/{len(BODY)}".encode() in parts[1]
        assert len(answer.content) == int(answer.headers["content-length"])

    def test_none_that_can_be_had(self, door: Door) -> None:
        answer = door.get(door.link(door.output({"output.mp4": BODY}), "output.mp4"), range=f"bytes={len(BODY)}-")

        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{len(BODY)}"

    @pytest.mark.parametrize("asked", ["lines=0-9", "bytes=9-0", "bytes=x"])
    def test_one_that_cannot_be_read_is_passed_over(self, door: Door, asked: str) -> None:
        answer = door.get(door.link(door.output({"output.mp4": BODY}), "output.mp4"), range=asked)

        assert (answer.status_code, answer.content) == (200, BODY)

    def test_of_what_has_changed_the_whole(self, door: Door) -> None:
        link = door.link(door.output({"output.mp4": BODY}), "output.mp4")

        same = door.get(link, range="bytes=0-1", if_range=f'"{SHA256}"')
        other = door.get(link, range="bytes=0-1", if_range='"other"')
        nowhere = door.get(link, range="bytes=99999999-", if_range='"other"')

        assert [answer.status_code for answer in (same, other, nowhere)] == [206, 200, 200]

    def test_behind_a_proxy_that_holds_bodies(self, door: Door) -> None:
        place = door.parts.files
        object.__setattr__(door.parts, "files", FilePlace(blobs=place.blobs, work=place.work, body_bytes=1000))
        link = door.link(door.output({"output.mp4": BODY}), "output.mp4")

        whole, piece = door.get(link), door.get(link, range="bytes=5-")

        assert code(whole) == (413, "too_large")
        assert "Python proxy" in whole.json()["error"]["message"]
        assert piece.headers["content-range"] == f"bytes 5-1004/{len(BODY)}"


class TestConditions:
    def test_what_the_client_has_is_not_sent(self, door: Door) -> None:
        link = door.link(door.output({"output.mp4": BODY}), "output.mp4")

        for headers in ({"if_none_match": f'"{SHA256}"'}, {"if_modified_since": "Sun, 17 Mar 2030 17:46:40 GMT"}):
            answer = door.get(link, range="bytes=0-1", **headers)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == f'"{SHA256}"'

    def test_what_the_client_does_not_want_is_refused(self, door: Door) -> None:
        answer = door.get(door.link(door.output({"output.mp4": BODY}), "output.mp4"), if_match='"other"')

        assert answer.status_code == 412


class TestWho:
    def test_a_link_has_its_time(self, door: Door) -> None:
        output = door.output({"output.mp4": BODY})

        assert code(door.get(door.link(output, "output.mp4", seconds=-1))) == (403, "link_expired")
        assert code(door.get("/files/outputs/x/output.mp4")) == (401, "key_refused")
        upload = door.parts.seals.signed("upload", output.id)
        assert code(door.get(f"/files/outputs/{upload}/output.mp4")) == (401, "key_refused")

    @pytest.mark.parametrize(
        "path", ["", "other.mp4", "..%2F1%2Foutput.mp4", "%2e%2e/x", "/etc/passwd", ".live/x", "a\\b", "a%00b"]
    )
    def test_no_other_file(self, door: Door, path: str) -> None:
        assert door.get(door.link(door.output({"output.mp4": BODY}), path)).status_code == 404

    def test_an_output_has_its_time_too(self, door: Door) -> None:
        old = door.output({"output.mp4": BODY}, expires_at=datetime.now(UTC) - timedelta(seconds=1))
        gone = door.output({"output.mp4": BODY}, withdrawn_at=datetime.now(UTC))

        assert code(door.get(door.link(old, "output.mp4"))) == (403, "link_expired")
        assert code(door.get(door.link(gone, "output.mp4"))) == (404, "not_found")

    def test_a_file_that_somebody_else_has_changed_is_not_ours(self, door: Door, tmp_path: Path) -> None:
        target = tmp_path / "film.mp4"
        target.write_bytes(BODY)
        output = door.output({"film.mp4": BODY}, targets=(Target(uri=str(target)),))
        assert door.get(door.link(output, "film.mp4")).content == BODY

        target.write_bytes(BODY + b"more")

        assert code(door.get(door.link(output, "film.mp4"))) == (404, "not_found")

    def test_a_password(self, door: Door) -> None:
        hashed = PasswordHasher(time_cost=1, memory_cost=64).hash("böse")
        link = door.link(door.output({"output.mp4": BODY}, password_hashes=(hashed,)), "output.mp4")

        none, wrong = door.get(link), door.get(link, authorization=basic("gut"))
        right, again = (door.get(link, authorization=basic("böse", "me")) for _ in range(2))

        assert [answer.status_code for answer in (none, wrong, right, again)] == [401, 401, 200, 200]
        assert none.headers["www-authenticate"].startswith("Basic ")
        assert right.headers["cache-control"] == "private, no-cache"
        assert door.get(link, authorization="Basic !").status_code == 401

    def test_who_guesses_passwords_is_slowed_down_and_who_knows_one_is_not(self, door: Door) -> None:
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("open")
        link = door.link(door.output({"output.mp4": BODY}, password_hashes=(hashed,)), "output.mp4")
        assert door.get(link, authorization=basic("open")).status_code == 200

        guesses = [door.get(link, authorization=basic(f"guess {number}")) for number in range(12)]

        assert [answer.status_code for answer in guesses] == [401] * 10 + [429] * 2
        assert int(guesses[-1].headers["retry-after"]) > 0
        assert door.get(link, authorization=basic("open")).status_code == 200


class TestDownloads:
    def test_whole_ones_are_counted(self, door: Door) -> None:
        output = door.output({"output.mp4": BODY}, download_limit=2)
        link = door.link(output, "output.mp4")

        door.ask("HEAD", link)
        door.get(link, range="bytes=0-9")
        door.get(link, if_none_match=f'"{SHA256}"')
        assert door.count(output) == 0
        assert door.get(link).status_code == 200
        assert door.get(link, range="bytes=0-").status_code == 206
        assert door.count(output) == 2

        assert code(door.get(link)) == (403, "forbidden")
        assert door.count(output) == 2
        assert door.get(link, range="bytes=5-").status_code == 206  # who was cut off goes on

    def test_of_a_package_what_opens_it(self, door: Door) -> None:
        output = door.package(download_limit=1)
        for path in ("master.m3u8", "720p/playlist.m3u8", "720p/00000.m4s", "720p/00000.m4s"):
            assert door.get(door.link(output, path)).status_code == 200

        assert door.count(output) == 1
        assert door.get(door.link(output, "master.m3u8")).status_code == 403
        assert door.get(door.link(output, "720p/00000.m4s")).status_code == 200

    @pytest.mark.parametrize(("path", "kind"), [("720p.mp4", "video/mp4"), ("audio.m4a", "audio/mp4")])
    def test_of_a_package_a_rendition_that_is_one_file(self, path: str, kind: str, door: Door) -> None:
        output = door.output({path: BODY}, name="film", settings=OutputSettings(container="package"))
        answer = door.get(door.link(output, path))

        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert door.count(output) == 1


class TestGrowing:
    def test_what_there_is_can_be_played(self, door: Door) -> None:
        job = Job(account="default", door="native", created_at=datetime.now(UTC))
        output = Output(job_id=job.id, name="film", settings=OutputSettings(container="package"))
        with door.database.writing() as conn:
            add_job(conn, job, [], [output])
        assert door.shown(output)["url"] is None
        folder = growing_folder(door.parts.files.work / job.id / "1", output.id)
        (folder / "720p").mkdir(parents=True)
        (folder / "master.m3u8").write_bytes(b"#EXTM3U\n")
        (folder / "720p" / "00000.m4s").write_bytes(BODY)
        (folder / "720p" / "media.mp4").write_bytes(BODY)

        told = door.shown(output)
        playlist = door.get(told["url"])
        segment = door.get(door.link(output, "720p/00000.m4s"), range="bytes=0-1")

        assert playlist.content == b"#EXTM3U\n"
        assert playlist.headers["cache-control"] == "no-cache"
        assert segment.content == BODY[:2]
        assert "repr-digest" not in segment.headers
        assert door.get(door.link(output, "720p/media.mp4")).headers["cache-control"] == "no-store"
        (folder / "master.m3u8").write_bytes(b"#EXTM3U\n#more\n")
        assert door.get(told["url"], if_none_match=playlist.headers["etag"]).status_code == 200

    def test_the_last_attempt_that_has_published_counts(self, door: Door) -> None:
        output = door.output({"output.mp4": BODY})
        with door.database.writing() as conn:
            mine = {"job_id": output.job_id, "output_id": output.id, "path": "output.mp4", "uri": ""}
            late = Delivery.model_validate({**mine, "attempt": 2, "size": 3})
            save_deliveries(conn, [late])

        assert door.get(door.link(output, "output.mp4")).content == BODY
