"""How values are written in settings: checked, and made alike. Each raises `ValueError` that says how it should be."""

import os
import re
from pathlib import Path
from typing import Any

_HOST = re.compile(r"\*|[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def listed(text: Any) -> Any:
    """`a, b` as a list; a list, as framemill.toml has one, stays."""
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


def hosts(text: Any) -> Any:
    """`host=door, host=door` as a table; a table, as framemill.toml has one, too."""
    if isinstance(text, str):
        pairs = [part.partition("=") for part in listed(text)]
        if not all(sign for _, sign, _ in pairs):
            raise ValueError("should be host names with their APIs: api.example.com=NAME, …")
        text = {host.strip(): door.strip() for host, _, door in pairs}
    if not isinstance(text, dict):
        return text
    named = {str(host).lower(): door for host, door in text.items()}
    for host in named:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is no host name (write it without port and scheme, or * for all)")
    return named


def absolute(path: Path) -> Path:
    """From the root, with `~` for the home."""
    return Path(os.path.abspath(path.expanduser()))


def web_address(url: str) -> str:
    """A URL of http, without a slash at its end."""
    if not url.startswith(("http://", "https://")) or not url.partition("://")[2].strip("/"):
        raise ValueError("should be an http:// or https:// URL")
    return url.rstrip("/")


def database(url: str) -> str:
    """A URL of one of the databases that there are."""
    if not url.startswith(("sqlite:", "sqlite+", "postgres:", "postgresql:", "postgresql+")):
        raise ValueError("should be a URL of SQLite (sqlite:///path) or PostgreSQL (postgresql://user@host/name)")
    return url


def bucket(url: str) -> str:
    """A bucket of S3, with what keys in it begin with; without a slash at its end."""
    name, _, prefix = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not name or "//" in prefix or prefix.startswith("/"):
        raise ValueError("should be a bucket and what all keys in it begin with (s3://bucket/prefix)")
    return url.rstrip("/")
