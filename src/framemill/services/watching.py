"""Playing a video: who may, by which link, and how often it was."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from sqlalchemy import Connection

from framemill.errors import NotFound
from framemill.jobs.model import Input, Output
from framemill.jobs.states import ACTIVE_JOB, JobState
from framemill.jobs.videos import Playback, Video
from framemill.media.listing import MANIFEST
from framemill.media.playlists import MASTER, PLAYLIST
from framemill.media.variant import only_variant, placed_manifest
from framemill.sealing import Seals
from framemill.services.fileplace import FilePlace
from framemill.services.links import MOUNT, Grant, output_place, source_token
from framemill.services.originals import landed, name_of
from framemill.services.outputs import OutputFile, Outputs, looked_at
from framemill.services.playing import still_encoding
from framemill.services.signing_keys import Ticket, allowed_until, signed_with
from framemill.services.uploads import BEARER
from framemill.services.videos import ShownVideo
from framemill.store import videos as video_rows
from framemill.store.database import Database
from framemill.store.jobs import load_job
from framemill.store.material import count_view
from framemill.store.outputs import OwnedOutput
from framemill.store.signing_keys import load_signing_key

PUBLIC_LASTS = timedelta(days=1)
"""How long the link is good that whoever may play a public video is sent to; they may ask for another one."""

Kind: TypeAlias = Literal["hls", "dash", "rendition", "file", "sound", "thumbnail", "source"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a video somebody wants to have."""

    kind: Kind
    height: int | None = None
    """Pixels, of the `rendition` (its playlist) or the `file` that is meant."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Somebody may have it."""

    url: str
    """Where it is, until what allowed it is over."""
    video_id: str
    account: str
    manifest: str | None = None
    """What is told instead; none: they are sent to the URL."""


class Watching:
    """Videos as viewers come to them, who need no key of the farm's. Each call blocks."""

    def __init__(
        self,
        database: Database,
        place: FilePlace,
        seals: Seals,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._place = place
        self._seals = seals
        self._clock = clock

    def link(self, playback_id: str, wish: Wish, ticket: Ticket, base: str) -> Watch:
        """Where it can be fetched; `ticket`: what they show, of which a public playback asks nothing; `base`: what URLs
        of the farm begin with.

        Raises `NotFound` where there is no such playback or thing, or not yet, and `Forbidden` as `allowed_until`.
        """
        with self._database.reading() as conn:
            found = video_rows.load_playback(conn, playback_id) if playback_id.isalnum() else None
            job = None if found is None else load_job(conn, found[1].job_id)
            if found is None or job is None:
                raise NotFound("There is nothing to play at this address.")
            until, grant = self._allowed(conn, *found, ticket)
        video = found[1]
        if wish.kind == "source":
            return Watch(f"{base}{MOUNT}/{self._source(job[1], until, grant)}", video.id, video.account)
        output, path = file_of(wish, job[2], job[0].report or {})
        there = Outputs(self._database, self._place, caller=BEARER, playing=still_encoding, clock=self._clock)
        # Looked at before they are sent there, so that what is not there yet is said here, and is no view.
        named = there.file(output.id, path, grant=grant)
        folder = f"{output_place(self._seals, base, output.id, until, grant)}/"
        manifest = None
        if wish.kind == "rendition":  # the pictures' own playlist would be silent
            master = self._text(there.file(output.id, MASTER, grant=grant))
            manifest = only_variant(master, PurePosixPath(path).parts[0], folder)
        elif wish.kind == "dash":
            manifest = placed_manifest(self._text(named), folder, path)
        return Watch(folder + quote(path), video.id, video.account, manifest)

    def _text(self, file: OutputFile) -> str:
        try:
            looked_at(self._place, file, sent=True)
            return file.path.read_text("utf-8")
        except OSError:  # what grew has just been finished, or is gone
            raise NotFound(f"{file.name} is not here at the moment: ask again.") from None

    def _allowed(self, conn: Connection, playback: Playback, video: Video, ticket: Ticket) -> tuple[datetime, Grant]:
        now = self._clock()
        if playback.policy == "public":
            return now + PUBLIC_LASTS, Grant(playback.id)
        key = load_signing_key(conn, signed_with(ticket))
        if key is not None and key.account != video.account:
            key = None
        until = allowed_until(ticket, key, now)
        return until, Grant(playback.id, None if key is None else key.id)

    def _source(self, inputs: Sequence[Input], until: datetime, grant: Grant) -> str:
        source = next((one for one in inputs if landed(one)), None)
        if source is None:
            raise NotFound("The original is not here yet.")
        token = source_token(self._seals, source.id, until, grant)
        return f"sources/{token}/{quote(name_of(source), safe='')}"


def plays_early(place: FilePlace, shown: ShownVideo) -> bool:
    """Whether what there is of a video that is still being made can be played; looks at the disk."""
    package = next((one for one in shown.outputs if one.settings.container == "package"), None)
    if package is None or shown.job.state not in ACTIVE_JOB - {JobState.CANCELLING}:
        return False
    owned = OwnedOutput(package, shown.job.account, shown.job.state, shown.job.attempt)
    return still_encoding(place, owned, MASTER) is not None


def viewed(conn: Connection, watch: Watch, now: datetime) -> None:
    """Somebody has begun to play it."""
    video_rows.count_views(conn, watch.video_id)
    count_view(conn, watch.account, now)


def file_of(wish: Wish, outputs: Sequence[Output], report: Mapping[str, Any]) -> tuple[Output, str]:
    """The output, and the file in it. `report`: of the job, which knows the renditions once it is done; empty before.

    Raises `NotFound`.
    """
    if wish.kind == "thumbnail":
        picture = next((one for one in outputs if one.settings.kind == "picture"), None)
        if picture is not None:
            return picture, f"output.{picture.settings.container}"  # as it is written, whatever it is called
        raise NotFound("This video has no thumbnail.")
    package = next((one for one in outputs if one.settings.container == "package"), None)
    if package is None:
        raise NotFound("There is nothing to play at this address.")
    if wish.kind in _WHOLE:
        return package, _WHOLE[wish.kind]
    told: Mapping[str, Any] = next((one for one in report.get("outputs", ()) if one["name"] == package.name), {})
    rendition = next((one for one in told.get("renditions", ()) if one["height"] == wish.height), None)
    if rendition is None:
        raise NotFound(f"This video has no rendition of that height ({wish.height}), or not yet.")
    if wish.kind == "rendition":
        return package, f"{rendition['name']}/{PLAYLIST}"
    if rendition.get("progressive") is None:
        raise NotFound("This rendition is no file of its own.")
    return package, rendition["progressive"]


_WHOLE: Mapping[Kind, str] = {"hls": MASTER, "dash": MANIFEST, "sound": "audio.m4a"}
