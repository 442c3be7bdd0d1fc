"""What a client of DevStreamCore does: announces an upload, sends its bytes, finalizes it."""

import re
from typing import Any

import httpx
from front_door import KEY, FrontDoor

from framemill.jobs.accounts import Quotas
from framemill.services.accounts import Accounts
from framemill.services.callers import ADMIN
from framemill.services.keys import Keys

V1 = "/devstreamcore/v1"
MIB = 1 << 20

KEYS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "title", "status", "policy", "created_at", "updated_at"), (str,)),
    **{name: (str, type(None)) for name in ("description", "thumbnail_url", "creator_username", "passthrough")},
    **{name: (str, type(None)) for name in ("source_url", "video_codec")},
    **dict.fromkeys(("progress", "view_count"), (int, float)),
    **{name: (int, float, type(None)) for name in ("transcode_attempts", "duration", "file_size_bytes", "fps")},
    **{name: (int, float, type(None)) for name in ("source_width", "source_height")},
    **dict.fromkeys(("playback", "ingest"), (dict,)),
    **dict.fromkeys(("playback_ids", "errors", "tags"), (list,)),
}
"""Every key of a Video, and what it may be."""
STATUSES = {"preparing", "ready", "errored", "reprocessing"}


def fits(video: dict[str, Any]) -> None:
    """Assert that it is a Video: each key is there, and each is of its type."""
    assert len(KEYS) == 25
    assert set(KEYS) <= set(video), set(KEYS) - set(video)
    for name, kinds in KEYS.items():
        assert isinstance(video[name], kinds), (name, video[name])
        assert not isinstance(video[name], bool), name
    assert re.fullmatch(r"vid_[0-9a-f]{20}", video["id"])
    assert video["status"] in STATUSES
    assert 0 <= video["progress"] <= 100
    assert (video["progress"] == 100) == (video["status"] == "ready")
    playback = video["playback"]
    assert {"hls", "dash", "mp4"} <= set(playback)
    for one in playback["mp4"]:
        assert {"height", "url", "bitrate_kbps", "hls"} <= set(one)
        assert isinstance(one["height"], int)
        assert isinstance(one["url"], str)
    for one in video["playback_ids"]:
        assert re.fullmatch(r"play_[0-9a-f]{20}", one["id"])
        assert one["policy"] in {"public", "signed"}
        assert isinstance(one["created_at"], str)
    assert video["policy"] in {"public", "signed"}
    assert video["ingest"]["kind"] in {"direct_upload", "url", "console"}
    for one in video["errors"]:
        assert isinstance(one["type"], str)
        assert one["messages"]
        assert all(isinstance(said, str) for said in one["messages"])


def refused(answer: httpx.Response, status: int, kind: str, param: str | None = None) -> dict[str, Any]:
    """Assert that it is that refusal, in the envelope; the error."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert error["type"] == kind, error
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["code"], str)
    assert error["request_id"] == answer.headers["X-Request-Id"]
    assert error.get("param") == param, error
    return error


class Client:
    """One account's client of the door."""

    def __init__(self, door: FrontDoor, key: str = KEY) -> None:
        self._door: Any = door
        self.key = key

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        answer: httpx.Response = self._door.ask(method, V1 + path, body, bearer=self.key, **more)
        return answer

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.ask("POST", path, body, **more)

    def announced(self, **said: Any) -> dict[str, Any]:
        answer = self.post("/uploads", said)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def sent(self, url: str, body: bytes) -> httpx.Response:
        """PUT, without a key, as to any signed link."""
        answer: httpx.Response = self._door.ask("PUT", url, key=None, content=body)
        assert answer.status_code in {200, 201, 204}, answer.text
        return answer

    def uploaded(self, body: bytes = b"film!", **said: Any) -> str:
        """The id of an upload that came in one go."""
        made = self.announced(**said)
        self.sent(made["upload_url"], body)
        upload_id: str = made["id"]
        return upload_id

    def in_parts(self, parts: list[bytes], **said: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """An upload whose parts have all come, and the parts as they are named at its end."""
        made = self.announced(multipart=True, part_count=len(parts), **said)
        etags = [self.sent(one["url"], body).headers["ETag"] for one, body in zip(made["parts"], parts, strict=True)]
        return made, [{"partNumber": number, "etag": etag} for number, etag in enumerate(etags, start=1)]

    def finalize(self, upload_id: str, size: int = 5, /, **said: Any) -> httpx.Response:
        return self.post(f"/uploads/{upload_id}/finalize", {"mime_type": "video/mp4", "file_size_bytes": size, **said})

    def finalized(self, upload_id: str, size: int = 5, /, **said: Any) -> dict[str, Any]:
        answer = self.finalize(upload_id, size, **said)
        assert answer.status_code == 200, answer.text
        video: dict[str, Any] = answer.json()
        fits(video)
        return video

    def made(self, **said: Any) -> dict[str, Any]:
        """A video from a URL."""
        answer = self.post("/videos", {"input": [{"url": "https://example.org/film.mp4"}], **said})
        assert answer.status_code == 201, answer.text
        video: dict[str, Any] = answer.json()
        fits(video)
        return video

    def video(self, video_id: str) -> dict[str, Any]:
        answer = self.get(f"/videos/{video_id}")
        assert answer.status_code == 200, answer.text
        video: dict[str, Any] = answer.json()
        fits(video)
        return video

    def videos(self, **params: Any) -> dict[str, Any]:
        answer = self.get("/videos", params=params)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page


def customer(door: FrontDoor, name: str = "customer", **quotas: Any) -> Client:
    """The client of an account of its own."""
    Accounts(door.database, ADMIN).create(name, account_id=name, quotas=Quotas(**quotas))
    _, key = Keys(door.database, ADMIN).create(name, account=name)
    return Client(door, key)
