"""Encoded tracks joined into one file of a draft, and the file read back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from framemill.errors import VerificationFailed
from framemill.farm.draft import CHILD_SECONDS, Draft
from framemill.jobs.settings.kinds import Container
from framemill.media.soundcodecs import MUXERS
from framemill.media.stitch import EDITED, JOIN, JoinRequest, SoundTrack, VideoTrack
from framemill.media.verify import VerifyRequest

SOUND_FILE = "audio.m4a"
"""The file of a package that has no pictures."""
_SAID = ("title", "artist", "comment")


async def write_file(  # noqa: PLR0917
    draft: Draft,
    path: Path,
    container: Container,
    videos: Sequence[VideoTrack],
    sounds: Sequence[SoundTrack],
    texts: Sequence[SoundTrack] = (),
    *,
    rendition: int = 0,
) -> dict[str, Any]:
    """Join that rendition (where there are any), the sounds and the texts into one file; what the gate found of it.

    Raises `VerificationFailed` where nothing is left to write, or something else was written.
    """
    title = draft.title
    if not videos and not sounds:
        raise VerificationFailed(
            "Nothing is left to write: the sound could not be converted, and there are no pictures."
        )
    video = videos[rendition] if videos else None
    tags = title.source.inspection.facts["format"].get("tags", {})
    joining = JoinRequest(
        video=video,
        sounds=list(sounds),
        texts=list(texts),
        path=str(path),
        format=MUXERS[container],
        metadata={key: tags[key] for key in _SAID if key in tags},
    )
    with draft.stage("join"):
        joined = await JOIN(joining, timeout=CHILD_SECONDS)
    film = title.film
    found = await draft.gate(
        VerifyRequest(
            path=str(path),
            video=video,
            sounds=list(sounds),
            starts_from_boxes=MUXERS[container] in EDITED,
            player=draft.player(rendition),
            origin=joined.origin,
            dynamic=film.pictures[rendition].look.dynamic if film is not None else None,
        )
    )
    return {"frames_planned": len(film.shown.pts) if film is not None else 0, **found}


def progressive_name(rendition: str) -> str:
    """The file of a package that holds the whole of a rendition, of that name."""
    return f"{rendition}.mp4"


async def write_progressive(
    draft: Draft, main: Path, proof: dict[str, Any], videos: Sequence[VideoTrack], sounds: Sequence[SoundTrack]
) -> dict[str, Any]:
    """Each rendition of a package as one MP4 with the sound that players choose; what the gate found of each, by name.

    `main`: the package's own MP4, of the best rendition and all sounds, and what was found of it.
    """
    chosen = [one.model_copy(update={"default": None}) for one in sounds if one.default]  # it is the only one here
    heard = (chosen or list(sounds))[:1]
    film = draft.title.film
    if film is None:
        return {SOUND_FILE: await write_file(draft, draft.folder / SOUND_FILE, "m4a", (), heard)}
    found = {}
    for number, picture in enumerate(film.pictures):
        name = progressive_name(picture.name)
        path = draft.folder / name
        if number == 0 and heard == list(sounds):  # the very tracks
            path.hardlink_to(main)
            found[name] = proof
        else:
            found[name] = await write_file(draft, path, "mp4", videos, heard, rendition=number)
    return found
