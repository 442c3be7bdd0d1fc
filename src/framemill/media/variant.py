"""Manifests that are told from elsewhere than what they name lies."""

import re
from urllib.parse import urljoin
from xml.sax.saxutils import escape

import m3u8


def only_variant(master: str, folder: str, place: str) -> str:
    """The master playlist with that variant alone, and the sound and the texts beside it; `folder`: the one that its
    segments lie in; `place`: URL of the package, since what it names is written in full."""
    found = m3u8.loads(master)
    found.playlists[:] = [one for one in found.playlists if one.uri.startswith(f"{folder}/")]
    found.iframe_playlists.clear()
    for one in (*found.playlists, *found.media):
        if one.uri:
            one.uri = urljoin(place, one.uri)
    return str(found.dumps())


def placed_manifest(mpd: str, place: str, name: str) -> str:
    """The DASH manifest, saying where it lies: ffmpeg takes what it names for relative to where it was asked for, also
    when it was sent on. `name`: of the manifest there, which players of one that grows ask for next."""
    told = f"<BaseURL>{escape(place)}</BaseURL><Location>{escape(place + name)}</Location>"
    return _OPENING.sub(lambda found: found[0] + told, mpd, count=1)


_OPENING = re.compile(r"<MPD\b[^>]*>")
