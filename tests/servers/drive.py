"""As much of Google Drive's interface, version 3, as the farm speaks: a real server with its files in memory.

Written from https://developers.google.com/workspace/drive/api/reference/rest/v3 and its guides of uploads and errors.
"""

import contextlib
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "ya29.s3cret-token"  # noqa: S105
FOLDER = "application/vnd.google-apps.folder"
ROOT = "folder-0"
_CHUNK_BYTES = 256 << 10


@dataclass
class Drive:
    """What is in it, and how it behaves."""

    endpoint: str = ""
    page: int = 2
    """How many things are on one page of a listing."""
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    refuses: list[tuple[str, int, str]] = field(default_factory=list)
    """Method, status and reason, of the next request of that method."""
    breaks: list[int] = field(default_factory=list)
    """Of the next downloads, after how many bytes each is cut off."""
    takes: list[int] = field(default_factory=list)
    """Of the next pieces of uploads, how many bytes come through before the line breaks; a multiple of 256 KiB."""
    room: int | None = None
    """Bytes that fit in."""
    elsewhere: str = ""
    """Where uploads are sent to, instead of here."""
    ranges: bool = True
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and token of every request."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, name: str, body: bytes | None, parent: str = ROOT, kind: str = "video/mp4") -> str:
        """A file, or what has no bytes; its id."""
        number = next(self.numbers)
        now = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        found = {"id": f"id-{number}", "name": name, "parents": [parent], "mimeType": kind, "createdTime": now}
        self.files[found["id"]] = {**found, "modifiedTime": now}  # type: ignore[index]
        if body is not None:
            self.fill(f"id-{number}", body)
        return f"id-{number}"

    def fill(self, file_id: str, body: bytes) -> None:
        number = next(self.numbers)
        now = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self.bodies[file_id] = body
        self.files[file_id] |= {
            **{"size": str(len(body)), "md5Checksum": md5, "modifiedTime": now, "headRevisionId": f"rev-{number}"}
        }

    def named(self, name: str, parent: str = ROOT) -> list[bytes | None]:
        """The bytes of all of that name in a folder."""
        return [
            self.bodies.get(found["id"])
            for found in self.files.values()
            if found["name"] == name and parent in found["parents"]
        ]


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        self._served()

    def do_POST(self) -> None:
        self._served()

    def do_PATCH(self) -> None:
        self._served()

    def do_PUT(self) -> None:
        self._served()

    def do_DELETE(self) -> None:
        self._served()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _served(self) -> None:  # noqa: PLR0911
        drive = self.server.drive
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        with drive.lock:
            drive.asked.append((self.command, parts.path, token))
            for number, (method, status, reason) in enumerate(drive.refuses):
                if method == self.command:
                    del drive.refuses[number]
                    self.rfile.read(int(self.headers.get("Content-Length") or 0))
                    return self._refuse(status, reason)
        if "upload_id" in asked:
            return self._upload(asked["upload_id"])
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if token not in drive.tokens:
            return self._refuse(401, "authError")
        with drive.lock:
            about = json.loads(body) if body else {}
            found = re.fullmatch(r"(/upload)?/drive/v3/files(?:/([\w-]+))?", parts.path)
            if found is None:
                return self._refuse(404, "notFound")
            upload, file_id = bool(found[1]), found[2]
            if file_id is not None and file_id not in drive.files:
                return self._refuse(404, "notFound")
            match self.command, upload, file_id:
                case "GET", False, None:
                    return self._list(asked)
                case "GET", False, str():
                    return self._get(file_id, asked)
                case "DELETE", False, str():
                    del drive.files[file_id]
                    return self._answer(204, b"")
                case "POST", False, None:
                    made = drive.make(about["name"], None, about["parents"][0], about["mimeType"])
                    return self._json(drive.files[made])
                case ("POST", True, None) | ("PATCH", True, str()):
                    return self._begin(file_id, about)
        return self._refuse(400, "badRequest")

    def _list(self, asked: dict[str, str]) -> None:
        drive = self.server.drive
        said = re.fullmatch(
            r"'([\w-]+)' in parents(?: and name = '((?:[^'\\]|\\.)*)')? and trashed = false", asked["q"]
        )
        if said is None:
            return self._refuse(400, "invalid")
        if said[1] not in drive.files:
            return self._refuse(404, "notFound")
        name = None if said[2] is None else re.sub(r"\\(.)", r"\1", said[2])
        found = [one for one in drive.files.values() if said[1] in one["parents"] and name in {None, one["name"]}]
        at = int(asked.get("pageToken", 0))
        size = min(int(asked["pageSize"]), drive.page)
        more = {"nextPageToken": str(at + size)} if at + size < len(found) else {}
        return self._json({"files": found[at : at + size], **more})

    def _get(self, file_id: str, asked: dict[str, str]) -> None:
        drive = self.server.drive
        if asked.get("alt") != "media":
            return self._json(drive.files[file_id])
        body = drive.bodies.get(file_id)
        if body is None:
            return self._refuse(403, "fileNotDownloadable")
        said = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if said is None or not drive.ranges:
            return self._answer(200, body, cut=True)
        start, end = int(said[1]), min(len(body), int(said[2]) + 1 if said[2] else len(body))
        if start >= len(body):
            return self._refuse(416, "requestedRangeNotSatisfiable")
        told = {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"}
        return self._answer(206, body[start:end], told, cut=True)

    def _begin(self, replaced: str | None, about: dict[str, Any]) -> None:
        drive = self.server.drive
        size = int(self.headers["X-Upload-Content-Length"])
        if drive.room is not None and size > drive.room:
            return self._refuse(403, "storageQuotaExceeded")
        if replaced is None and about["parents"][0] not in drive.files:
            return self._refuse(404, "notFound")
        session = f"session-{next(drive.numbers)}"
        drive.sessions[session] = {"replaced": replaced, "about": about, "size": size, "body": b""}
        base = drive.elsewhere or drive.endpoint
        return self._answer(200, b"", {"Location": f"{base}/upload/drive/v3/files?upload_id={session}"})

    def _upload(self, session_id: str) -> None:  # noqa: PLR0911
        drive = self.server.drive
        length = int(self.headers.get("Content-Length") or 0)
        session = drive.sessions.get(session_id)
        if session is None:
            return self._refuse(404, "notFound")
        if self.command == "DELETE":
            del drive.sessions[session_id]
            return self._answer(499, b"")
        said = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", self.headers["Content-Range"])
        if said is None or int(said[3]) != session["size"]:
            return self._refuse(400, "badRequest")
        if said[1] is not None:
            if int(said[1]) != len(session["body"]):
                return self._refuse(400, "badRequest")
            takes = drive.takes.pop(0) if drive.takes else length
            session["body"] += self.rfile.read(min(takes, length))
            if takes < length:
                self.close_connection = True
                self.connection.close()
                return None
        if len(session["body"]) < session["size"]:
            last = len(session["body"]) - 1
            return self._answer(308, b"", {"Range": f"bytes=0-{last}"} if last >= 0 else {})
        with drive.lock:
            about = session["about"]
            made = session["replaced"] or drive.make(about["name"], None, about["parents"][0], about["mimeType"])
            drive.fill(made, session["body"])
            drive.files[made]["mimeType"] = about["mimeType"]
            return self._json(drive.files[made])

    def _refuse(self, status: int, reason: str) -> None:
        told = {"error": {"code": status, "message": "no", "errors": [{"domain": "global", "reason": reason}]}}
        return self._answer(status, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def _json(self, found: dict[str, Any]) -> None:
        return self._answer(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        breaks = self.server.drive.breaks
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if cut and breaks:
            self.close_connection = True
            body = body[: breaks.pop(0)]
        with contextlib.suppress(OSError):
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    drive: Drive

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone."""


@contextlib.contextmanager
def running_drive() -> Iterator[Drive]:
    """One with an empty folder, `ROOT`, until the block ends."""
    drive = Drive()
    drive.files[ROOT] = {"id": ROOT, "name": "My folder", "parents": [], "mimeType": FOLDER}
    server = _Server(("127.0.0.1", 0), _Door)
    server.drive = drive
    drive.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield drive
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
