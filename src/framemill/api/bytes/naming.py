"""What a file is, and what it is called, in the headers of an answer."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Literal
from urllib.parse import quote

_TYPES: Mapping[str, str] = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".cmfv": "video/mp4",
    ".m4a": "audio/mp4",
    ".cmfa": "audio/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".ts": "video/mp2t",
    ".vtt": "text/vtt; charset=utf-8",
    ".srt": "application/x-subrip",
    ".mp3": "audio/mpeg",
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".json": "application/json",
}

_PLAIN = "!#$&+-.^_`|~"  # what a value of RFC 8187 holds as it is, beside letters and digits

Disposition = Literal["inline", "attachment"]


def content_type(path: str) -> str:
    """Of a file that the farm has made; whatever a browser could run is bytes to it."""
    return _TYPES.get(PurePath(path).suffix.lower(), "application/octet-stream")


def content_disposition(kind: Disposition, name: str) -> str:
    """With the name in ASCII for everybody, and beside it as it is (RFC 6266, RFC 8187) where it is more."""
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%' else "_" for char in name)
    told = f'{kind}; filename="{plain}"'
    return told if plain == name else f"{told}; filename*=UTF-8''{quote(name, safe=_PLAIN)}"
