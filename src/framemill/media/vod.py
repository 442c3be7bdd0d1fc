"""An HLS playlist of a recording, as a source: which pieces, in which order, make the files that its tracks are.

What a playlist names is fetched by us, piece by piece, and never by libav. Pure: texts in, addresses out. Only what can
be put together without a new encode is taken; the rest is refused with the reason.
"""

from typing import Any

import m3u8

from framemill.errors import SourceEncrypted, SourceUnreadable
from framemill.jobs.settings import Value

BEGINNING = b"#EXTM3U"
MOST_BYTES = 8 << 20
"""Of one playlist: a day in pieces of two seconds has 4 MB."""
MOST_PIECES = 50_000
MOST_SOUNDS = 16
_IV_BYTES = 16


class Key(Value):
    """What a piece is encrypted with: AES-128 in CBC (RFC 8216, 4.3.2.4)."""

    uri: str
    """Where its 16 bytes are."""
    iv: bytes


class Piece(Value):
    """A part of a track, in order."""

    uri: str
    """As the playlist has it: relative to itself, or absolute."""
    first: int = 0
    size: int | None = None
    """Bytes from `first` on; none: all there are."""
    key: Key | None = None


class Recording(Value):
    """A track, or several that come together, as the bytes of its pieces one after the other."""

    pieces: tuple[Piece, ...]


class Master(Value):
    """Where the best picture is, and the sounds that belong to it."""

    uri: str
    sounds: tuple[str, ...] = ()


def read(text: str, name: str) -> Master | Recording:
    """What a playlist says. Raises `SourceUnreadable`, and `SourceEncrypted` for what we cannot decrypt."""
    try:
        found = m3u8.loads(text)
    except Exception as error:  # noqa: BLE001 - of a library, about a stranger's text
        raise SourceUnreadable(f"{name} is no HLS playlist that makes sense: {type(error).__name__}.") from None
    if found.is_variant:
        return _master(found, name)
    if not found.is_endlist and (found.playlist_type or "").lower() != "vod":
        raise SourceUnreadable(f"{name} is a live stream: its end has not come. Name a recording (#EXT-X-ENDLIST).")
    if found.is_i_frames_only:
        raise SourceUnreadable(f"{name} lists single pictures for fast seeking: name the playlist of the film.")
    if not found.segments:
        raise SourceUnreadable(f"{name} is a playlist of nothing.")
    if len(found.segments) > MOST_PIECES:
        raise SourceUnreadable(f"{name} has {len(found.segments)} pieces, and may have {MOST_PIECES}.")
    if any(one.discontinuity for one in found.segments[1:]):
        raise SourceUnreadable(
            f"{name} is put together of several recordings (#EXT-X-DISCONTINUITY): give each as an input of its own."
        )
    return Recording(pieces=tuple(_pieces(found, name)))


def _master(found: Any, name: str) -> Master:
    variants = [one for one in found.playlists if one.uri]
    if not variants:
        raise SourceUnreadable(f"{name} is a playlist of nothing.")
    best = max(variants, key=_worth)
    group = best.stream_info.audio
    sounds = [one.uri for one in found.media if one.type == "AUDIO" and group and one.group_id == group and one.uri]
    if len(sounds) > MOST_SOUNDS:
        raise SourceUnreadable(f"{name} has {len(sounds)} sounds, and may have {MOST_SOUNDS}.")
    # A sound that is the variant itself comes with it.
    return Master(uri=best.uri, sounds=tuple(dict.fromkeys(one for one in sounds if one != best.uri)))


def _worth(variant: Any) -> tuple[int, int]:
    width, height = variant.stream_info.resolution or (0, 0)
    return width * height, variant.stream_info.bandwidth or 0


def _pieces(found: Any, name: str) -> list[Piece]:
    heads = {(one.uri, one.byterange) for segment in found.segments if (one := segment.init_section) is not None}
    if len(heads) > 1:
        raise SourceUnreadable(f"{name} changes its form in the middle: give each part as an input of its own.")
    pieces: list[Piece] = []
    before: dict[str, int] = {}
    head = found.segments[0].init_section
    if head is not None:
        pieces.append(_piece(head.uri, head.byterange, {}, None, name))
    for number, segment in enumerate(found.segments, found.media_sequence or 0):
        pieces.append(_piece(segment.uri, segment.byterange, before, _key(segment.key, number, name), name))
    return pieces


def _piece(uri: str | None, byterange: str | None, before: dict[str, int], key: Key | None, name: str) -> Piece:
    """`byterange`: `size[@first]`, where it begins behind the last one of the same file if that is not said."""
    if not uri:
        raise SourceUnreadable(f"{name} names a piece without an address.")
    if not byterange:
        return Piece(uri=uri, key=key)
    size, _, first = byterange.strip('"').partition("@")
    if not size.isdecimal() or (first and not first.isdecimal()):
        raise SourceUnreadable(f"{name} names bytes that are none: {byterange[:40]!r}.")
    begin = int(first) if first else before.get(uri, 0)
    before[uri] = begin + int(size)
    return Piece(uri=uri, first=begin, size=int(size), key=key)


def _key(key: Any, number: int, name: str) -> Key | None:
    if key is None or key.method in {None, "NONE"}:
        return None
    if key.method != "AES-128" or (key.keyformat or "identity") != "identity" or not key.uri:
        raise SourceEncrypted(f"{name} is encrypted by {key.method}, which takes a licence: give a source without.")
    iv = number if not key.iv else _number(key.iv, name)
    return Key(uri=key.uri, iv=iv.to_bytes(_IV_BYTES, "big"))


def _number(iv: str, name: str) -> int:
    try:
        number = int(iv, 16)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 8 * _IV_BYTES:
        raise SourceUnreadable(f"{name} names an initialization vector that is none.")
    return number
