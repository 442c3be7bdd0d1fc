"""What the client knows of a film: its item, as the media server has described it. Pure; whatever is missing, or odd,
nobody knows."""

from collections.abc import Mapping, Sequence
from typing import Any

from framemill.api.optimized.wishes import Wish
from framemill.jobs.settings import Value

_TICKS = 10_000_000
"""A second of Jellyfin's (https://learn.microsoft.com/dotnet/api/system.timespan.tickspersecond)."""
_DISCS = frozenset({"iso", "dvd", "bluray"})
"""https://github.com/jellyfin/jellyfin, MediaBrowser.Model/Entities/VideoType.cs."""
_TEXTS = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "vtt", "mov_text", "text"})


class Track(Value):
    """A stream of the original."""

    index: int
    """As the server counts all of them."""
    kind: str
    """`Video`, `Audio`, `Subtitle`."""
    codec: str = ""
    channels: int | None = None
    bitrate: int | None = None
    """Bits per second."""
    width: int | None = None
    height: int | None = None
    frames: float | None = None
    """A second."""
    external: bool = False
    """It is in a file of its own."""
    text: bool = False
    """Of a subtitle: it is no pictures."""


class Film(Value):
    """What is known of it."""

    seconds: float | None = None
    """How long it is."""
    size: int | None = None
    """Bytes of the original."""
    bitrate: int | None = None
    """Bits per second of the original."""
    disc: bool = False
    """It is an image of a disc, or a folder of one, and no file that could be sent."""
    tracks: tuple[Track, ...] = ()

    def track(self, kind: str, index: int | None) -> Track | None:
        """The one with that index, of that kind."""
        return next((one for one in self.tracks if one.kind == kind and one.index == index), None)

    def inside(self, kind: str) -> list[Track]:
        """Those of that kind in the original itself, in their order."""
        found = [one for one in self.tracks if one.kind == kind and not one.external]
        return sorted(found, key=lambda one: one.index)


def film_of(item: Any, wish: Wish) -> Film:
    """What the item says of the version that is meant."""
    known: Mapping[str, Any] = item if isinstance(item, Mapping) else {}
    versions = _maps(known.get("MediaSources"))
    same = (one for one in versions if str(one.get("Id", "")).replace("-", "") == wish.media_source.replace("-", ""))
    version = next(same, versions[0] if versions else known)
    ticks = _number(version.get("RunTimeTicks")) or _number(known.get("RunTimeTicks"))
    left = None if ticks is None else ticks - (wish.number("starttimeticks") or 0.0)
    size, rate = _number(version.get("Size")), _number(version.get("Bitrate"))
    tracks = [_track(one) for one in _maps(version.get("MediaStreams") or known.get("MediaStreams"))]
    return Film(
        seconds=left / _TICKS if left is not None and left > 0 else None,
        size=_whole(size),
        bitrate=_whole(rate),
        disc=str(version.get("VideoType") or known.get("VideoType")).lower() in _DISCS,
        tracks=tuple(one for one in tracks if one is not None),
    )


def _track(said: Mapping[str, Any]) -> Track | None:
    index, codec = said.get("Index"), str(said.get("Codec") or "").lower()
    if not isinstance(index, int):
        return None
    return Track(
        index=index,
        kind=str(said.get("Type")),
        codec=codec,
        channels=_whole(_number(said.get("Channels"))),
        bitrate=_whole(_number(said.get("BitRate"))),
        width=_whole(_number(said.get("Width"))),
        height=_whole(_number(said.get("Height"))),
        frames=_number(said.get("AverageFrameRate")) or _number(said.get("RealFrameRate")),
        external=said.get("IsExternal") is True,
        text=said.get("IsTextSubtitleStream") is True or codec in _TEXTS,
    )


def _maps(value: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and 0 < value < 1e18 else None  # noqa: PLR2004 - ticks of thirty centuries
