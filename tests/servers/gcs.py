"""gcp-storage-emulator in a thread, behind what it lacks of Google: tokens, conditions, generations, order, faults."""

import contextlib
import functools
import io
import json
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import HTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import google.auth.jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

pytest.importorskip("gcp_storage_emulator", reason="package missing: pip install gcp-storage-emulator")

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

AUDIENCE = "https://oauth2.googleapis.com/token"
"""Whom assertions are for, wherever they are sent."""
SERVICE_ACCOUNT = "farm@project.iam.gserviceaccount.com"


@dataclass
class Manners:
    """How the server behaves."""

    withdrawn: bool = False
    """Whether the key is good no more."""
    public: frozenset[str] = frozenset()
    """Buckets that anybody may read."""
    refuses: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Status and reason, by method, instead of an answer."""
    breaks: list[int] = field(default_factory=list)
    """Of the next downloads, after how many bytes each is cut off."""
    tokens: set[str] = field(default_factory=set)
    """That were given out, and are good."""
    given: int = 0


@dataclass(frozen=True)
class GcsServer:
    endpoint: str
    keyfile: dict[str, Any]
    manners: Manners
    storage: Any

    def make_bucket(self, name: str) -> None:
        self.storage.create_bucket(name, {"name": name})

    def objects(self, bucket: str) -> list[str]:
        return [found["name"] for found in self.storage.get_file_list(bucket)[0]]


class _Ordered(Storage):  # type: ignore[misc]
    """As Google lists."""

    def get_file_list(self, *given: Any, **named: Any) -> Any:
        found, prefixes = super().get_file_list(*given, **named)
        return sorted(found, key=lambda one: one["name"].encode()), prefixes


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem() -> str:
    form = serialization.PrivateFormat.PKCS8
    return _key().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _public() -> bytes:
    return _key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class _Door(RequestHandler):  # type: ignore[misc]
    """What stands before the emulator."""

    def __init__(self, manners: Manners, storage: Storage, *given: Any) -> None:
        self._manners = manners
        self.wfile: Any
        self.rfile: Any
        super().__init__(storage, *given)

    def do_GET(self) -> None:  # noqa: N802
        self._served(super().do_GET)

    def do_POST(self) -> None:  # noqa: N802
        if urlsplit(self.path).path == "/token":
            self._token()
        else:
            self._served(super().do_POST)

    def do_PUT(self) -> None:  # noqa: N802
        self._served(super().do_PUT)

    def do_DELETE(self) -> None:  # noqa: N802
        self._served(super().do_DELETE)

    def _served(self, serve: Any) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.rfile = io.BytesIO(body)
        bucket, name = _names(self.path, asked)
        name = name or self._named(asked, body)
        status, reason = self._manners.refuses.get(self.command, (0, ""))
        signed = "X-Goog-Signature" in asked or "upload_id" in asked
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not (signed or token in self._manners.tokens or (self.command == "GET" and bucket in self._manners.public)):
            status, reason = (401, "authError") if token else (401, "required")
        current = self._generation(bucket, name)
        if asked.get("ifGenerationMatch") == ["0"] and current is not None:
            status, reason = 412, "conditionNotMet"
        if "generation" in asked and current not in asked["generation"]:
            status, reason = 404, "notFound"
        if status:
            self._json(status, {"error": {"code": status, "message": "no", "errors": [{"reason": reason}]}})
            return
        if "alt" in asked and self._manners.breaks:
            self.wfile = _Cut(self.wfile, self._manners.breaks.pop(0))
        serve()

    def _named(self, asked: Mapping[str, list[str]], body: bytes) -> str:
        """Of an upload: the object that its beginning names."""
        if "upload_id" in asked:
            return str(self.storage.get_resumable_file_obj(asked["upload_id"][0])["name"])
        found = re.search(rb'"name":\s*("(?:[^"\\]|\\.)*")', body[:4096])
        return json.loads(found[1]) if found else ""

    def _generation(self, bucket: str, name: str) -> str | None:
        try:
            return str(self.storage.get_file_obj(bucket, name)["generation"])
        except NotFound:
            return None

    def _token(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        claims = google.auth.jwt.decode(form["assertion"][0], certs=_public(), audience=AUDIENCE)  # type: ignore[no-untyped-call]
        assert claims["iss"] == SERVICE_ACCOUNT
        if self._manners.withdrawn:
            self._json(400, {"error": "invalid_grant", "error_description": "Account not found"})
            return
        self._manners.given += 1
        token = f"token-{self._manners.given}"
        self._manners.tokens.add(token)
        self._json(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _json(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Cut:
    """What is written is cut off after so many bytes of the body."""

    def __init__(self, file: Any, limit: int) -> None:
        self._file, self._limit = file, limit

    def write(self, data: bytes) -> int:
        if data.startswith(b"HTTP/"):  # the head comes in one piece
            return int(self._file.write(data))
        return int(self._file.write(data[: self._limit]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _names(path: str, asked: Mapping[str, list[str]]) -> tuple[str, str]:
    """Bucket and object of a request; empty where it names none."""
    parts = urlsplit(path).path.strip("/").split("/")
    if "b" in parts[:5]:
        after = parts[parts.index("b") + 1 :]
        return unquote(after[0]), asked.get("name", [unquote(after[2]) if len(after) > 2 else ""])[0]
    return unquote(parts[0]), unquote("/".join(parts[1:]))


@contextlib.contextmanager
def running_gcs(manners: Manners | None = None) -> Iterator[GcsServer]:
    """One in memory, until the block ends."""
    manners = manners or Manners()
    for name in ("api", "storage", "gcs"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    storage = _Ordered(use_memory_fs=True)
    server = HTTPServer(("127.0.0.1", 0), functools.partial(_Door, manners, storage))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    keyfile = {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": _pem(),
        "client_email": SERVICE_ACCOUNT,
        "token_uri": f"{endpoint}/token",
    }
    try:
        yield GcsServer(endpoint, keyfile, manners, storage)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
