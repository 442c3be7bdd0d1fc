"""Where viewers find a video: the URLs of its playbacks. Pure; `door` is the door's own URL (`api.door.door_url`).

All of them stand open, and lead on to the bytes; of a signed playback they need a token (`?token=`) that the video's
owner makes, so the URLs themselves are the same.
"""

from framemill.api.devstreamcore.ids import playback_id
from framemill.services.watching import Kind, Wish

VIDEO_AUDIENCE, THUMBNAIL_AUDIENCE = "v", "t"
"""What a token is for (`aud`)."""


def place(door: str, playback: str) -> str:
    """What all URLs of a playback begin with; `playback`: its id as it is stored."""
    return f"{door}/v1/play/{playback_id(playback)}"


def hls(door: str, playback: str) -> str:
    """The HLS playlist."""
    return f"{place(door, playback)}.m3u8"


def dash(door: str, playback: str) -> str:
    """The DASH manifest."""
    return f"{place(door, playback)}.mpd"


def mp4(door: str, playback: str, height: int) -> str:
    """The rendition of that height as one file."""
    return f"{place(door, playback)}/{height}p.mp4"


def rendition(door: str, playback: str, height: int) -> str:
    """The HLS playlist of that rendition alone, with the sound beside it."""
    return f"{place(door, playback)}/{height}p.m3u8"


def sound(door: str, playback: str) -> str:
    """The one file of a video that has no pictures."""
    return f"{place(door, playback)}/audio.m4a"


def thumbnail(door: str, playback: str) -> str:
    """A picture of it."""
    return f"{place(door, playback)}/thumbnail.jpg"


def source(door: str, playback: str) -> str:
    """The original."""
    return f"{place(door, playback)}/source"


def audience(wish: Wish) -> str:
    """What a token has to be for."""
    return THUMBNAIL_AUDIENCE if wish.kind == "thumbnail" else VIDEO_AUDIENCE


VIEWS: frozenset[Kind] = frozenset({"hls", "dash", "rendition", "file", "sound"})
"""What a player begins with: to be sent there is a view."""
