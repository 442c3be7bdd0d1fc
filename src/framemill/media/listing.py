"""What a package holds, as its manifests name it: renditions, sounds, subtitles, and what each is called."""

from collections.abc import Iterable
from fractions import Fraction

import langcodes
from langcodes.tag_parser import LanguageTagError
from pydantic import BaseModel

from framemill.media.segments import Segments

MANIFEST = "manifest.mpd"
"""What a package's DASH manifest is called."""


class Track(BaseModel):
    """What is cut into segments."""

    folder: str
    segments: Segments


class Variant(Track):
    """One rendition of the pictures."""

    width: int = 0
    height: int = 0
    rate: Fraction = Fraction(0)
    """Most frames a second; 0: unknown."""


class Heard(Track):
    """One sound."""

    name: str = "main"
    """Told to viewers; no two are equal."""
    language: str = ""
    """BCP 47."""
    default: bool = True


class Subtitle(BaseModel):
    """One text track: a WebVTT file."""

    folder: str
    name: str
    language: str = ""
    """BCP 47."""
    default: bool = False
    size: int = 0
    """Bytes."""


class Listed(BaseModel):
    """Whatever the manifests name."""

    videos: list[Variant] = []
    sounds: list[Heard] = []
    subtitles: list[Subtitle] = []
    iframes: bool = False
    """With a playlist of keyframes for each rendition."""
    seconds: float = 0.0
    """How long it lasts."""

    @property
    def tracks(self) -> list[Track]:
        """Renditions and sounds."""
        return [*self.videos, *self.sounds]


def numbered(kind: str, number: int) -> str:
    """The folder of a sound or text track: `audio`, `audio-2`…"""
    return kind if number == 0 else f"{kind}-{number + 1}"


def language_tag(code: str) -> str:
    """What the source calls a language (mostly ISO 639-2), as manifests name it (BCP 47); empty where it is unknown."""
    try:
        tag = langcodes.standardize_tag(code) if code else ""
    except LanguageTagError:
        return ""
    return "" if tag in _UNKNOWN else tag


_UNKNOWN = {"und", "mul", "zxx", "mis"}


def distinct_names(tracks: Iterable[tuple[str, str]], alone: str) -> list[str]:
    """What viewers are told of each (name, language); no two are equal (RFC 8216, 4.3.4.1).

    `alone`: what a single track without either is called.
    """
    found: list[str] = []
    told = list(tracks)
    for number, (name, language) in enumerate(told, 1):
        wanted = _plain(name) or language or (alone if len(told) == 1 else f"{alone} {number}")
        found.append(wanted if wanted not in found else f"{wanted} ({number})")
    return found


def _plain(name: str) -> str:
    """Without what a quoted string may not hold (RFC 8216, 4.2)."""
    return " ".join(name.replace('"', "'").split())
