"""Outputs as they are fetched: where a file of one lies, who may have it, and how often."""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection

from framemill.errors import Forbidden, KeyRefused, LinkExpired, NotFound, WrongUse
from framemill.jobs.model import Delivery, Output, could_be_id
from framemill.jobs.settings import OutputSettings
from framemill.jobs.settings.pieces import ARCHIVE
from framemill.services.callers import Caller
from framemill.services.fileplace import FilePlace
from framemill.services.limits import FailedLogins
from framemill.services.links import Grant
from framemill.services.passwords import fits
from framemill.storage.blobs import WORK, Straight
from framemill.store import jobs as job_rows
from framemill.store import outputs as output_rows
from framemill.store.database import Database
from framemill.store.outputs import OwnedOutput
from framemill.store.playing import may_play

LINK_SECONDS = 24 * 3600
"""How long a link is good, where nothing else is said."""

_FIRST = "master.m3u8"
_ALL_SEGMENTS = frozenset({"media.mp4", "media.ts"})
_LISTS = frozenset({".m3u8", ".mpd"})
_MOST_KNOWN = 1000


class OutputGone(NotFound):
    """There was such an output, and its owner has deleted it, or its files are gone."""


class PasswordNeeded(KeyRefused):
    """The output opens with a password alone, and none came, or another one."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that may be sent."""

    path: Path
    output_id: str
    name: str
    """What it is called when it is kept."""
    sha256: str | None = None
    """None: not known; while it is still encoded nobody has read it."""
    growing: bool = False
    """It, or what it lists, may change: nobody should keep it."""
    counts: bool = False
    """To send all of it is a download."""
    held: bool = False
    """Its output has a limit or a password, or it takes a token to play it: nobody between may keep it."""
    size: int = 0
    """Bytes, of one that is finished."""
    key: str = ""
    """Where it is in the bucket; it may not be at `path` then, until it is brought."""
    bucket: Straight | None = None
    """Where whoever may have it can be sent to; None: the farm sends it."""


@dataclass(frozen=True, slots=True)
class ShownOutput:
    """An output with the files that are published of it."""

    owned: OwnedOutput
    files: Sequence[Delivery]
    playable: bool = False
    """It is still being encoded, and what there is can be played."""


Playing = Callable[[FilePlace, OwnedOutput, str], Path | None]
"""Where a file is of an output that is still being encoded; None: there is none such."""


def not_yet(_place: FilePlace, _owned: OwnedOutput, _path: str) -> Path | None:
    """Nothing can be had before it is finished."""
    return None


class Outputs:
    """What a front door may ask about outputs; each call blocks."""

    def __init__(
        self,
        database: Database,
        place: FilePlace,
        *,
        caller: Caller,
        playing: Playing = not_yet,
        guesses: FailedLogins | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._place = place
        self._caller = caller
        self._playing = playing
        self._guesses = guesses or FailedLogins()
        self._clock = clock

    def shown(self, output_id: str) -> ShownOutput:
        """An output of the caller's. Raises `NotFound`."""
        with self._database.reading() as conn:
            owned = output_rows.load_output(conn, output_id) if could_be_id(output_id) else None
            if owned is None or self._caller.sees not in {None, owned.account}:
                raise NotFound(f"There is no output {output_id!r}.")
            files = output_rows.published_files(conn, output_id)
        growing = None if files else self._playing(self._place, owned, _FIRST)
        return ShownOutput(owned, files, growing is not None and growing.is_file())

    def file(
        self, output_id: str, path: str | None, password: str | None = None, place: str = "", grant: Grant | None = None
    ) -> OutputFile:
        """A file of an output, for whoever has a link to it; `path`: none, the one that the output is; `place`: the
        client's address; `grant`: by what they have the link, where that can be taken back.

        Raises `NotFound` and its kind, `LinkExpired` (the output's time is over), `PasswordNeeded`, and `TooMany` for
        guesses.
        """
        with self._database.reading() as conn:
            require_grant(conn, grant)
            owned = output_rows.load_output(conn, output_id)
            if owned is None or owned.output.withdrawn_at is not None:
                raise OutputGone("There is no such output any more.")
            if path is None:
                published = next(iter(output_rows.published_files(conn, output_id)), None)
            else:
                published = output_rows.published_file(conn, output_id, path)
        output = owned.output
        if output.expires_at is not None and self._clock() >= output.expires_at:
            raise LinkExpired(f"{output.name} was kept until {output.expires_at:%Y-%m-%d %H:%M} UTC, and is gone.")
        _require_password(output, password, self._guesses, place)
        held = is_held(output, grant)
        found = None
        if published is not None:
            found = self._published(output, published, held)
        elif path is not None:
            found = self._growing(owned, path, held)
        if found is None:
            raise NotFound(f"{output.name} has no file {path or output.name!r}, or not yet.")
        return found

    def own(self, output_id: str) -> OutputFile:
        """The file of a finished output of the caller's, which takes no password and counts as no download.

        Raises `NotFound` where it is none, or is not here any more, and `WrongUse` for a package, which is many.
        """
        shown = self.shown(output_id)
        output = shown.owned.output
        over = output.expires_at is not None and self._clock() >= output.expires_at
        if output.settings.folder:
            raise WrongUse(f"{output.name} is a folder of files, and no single one.")
        if not shown.files or output.withdrawn_at is not None or over:
            raise OutputGone(f"{output.name} is not here, or no more.")
        found = self._published(output, shown.files[0], False)
        if found is None:
            raise OutputGone(f"{output.name} is gone.")
        return found

    def counted(self, output_id: str) -> None:
        """Count a download. Raises `Forbidden` where the output's limit is reached."""
        with self._database.writing() as conn:
            counted = job_rows.count_download(conn, output_id)
        if not counted:
            raise Forbidden("This output was downloaded as often as its owner allows.")

    def _published(self, output: Output, row: Delivery, held: bool) -> OutputFile | None:
        path = where(self._place, output, row)
        shared = row.target is None and self._place.blobs.shared
        try:
            # Somebody else may have written there meanwhile, but not to what only the farm writes to.
            if path is None or (not shared and path.stat().st_size != row.size):
                return None
        except OSError:
            return None
        package = output.settings.folder
        return OutputFile(
            path=path,
            output_id=output.id,
            name=PurePosixPath(row.path).name if package else output.name,
            sha256=row.sha256,
            counts=is_download(output.settings, row.path),
            held=held,
            size=row.size or 0,
            key=f"{WORK}/{path.relative_to(self._place.work)}" if shared else "",
            # What a playlist names lies beside it, and that is where it was asked for.
            bucket=None if not shared or path.suffix in _LISTS else self._place.straight,
        )

    def _growing(self, owned: OwnedOutput, path: str, held: bool) -> OutputFile | None:
        found = self._playing(self._place, owned, path)
        if found is None or not found.is_file():
            return None
        return OutputFile(
            path=found,
            output_id=owned.output.id,
            name=PurePosixPath(path).name,
            growing=found.suffix in _LISTS or in_ranges(path),
            held=held,
        )


def looked_at(place: FilePlace, found: OutputFile, *, sent: bool) -> os.stat_result:
    """What is known of a file; one that is to be `sent` is at its path then. Raises OSError where it is gone."""
    if not sent and found.bucket is not None and (there := found.bucket.head(found.key)) is not None:
        moment = int(there.modified.timestamp())
        return os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, there.size, moment, moment, moment))
    if found.key:
        place.blobs.bring([found.key])
    return os.stat(found.path)


def is_held(output: Output, grant: Grant | None) -> bool:
    """Whether nobody between the farm and who asks may keep its files: what they are let in by may end before."""
    signed = grant is not None and grant.signing_key_id is not None
    return signed or bool(output.password_hashes) or output.download_limit is not None


def require_grant(conn: Connection, grant: Grant | None) -> None:
    """Raise `NotFound` where what a link was made by is there no more."""
    if grant is not None and not may_play(conn, *grant):
        raise NotFound("What this link was made for was withdrawn.")


def where(place: FilePlace, output: Output, row: Delivery) -> Path | None:
    """Where a published file lies; None: on no disk of the farm's."""
    if row.target is None:
        return place.work / output.job_id / str(row.attempt) / output.id / row.path
    return Path(row.uri) if row.uri.startswith("/") else None


def in_ranges(path: str) -> bool:
    """Whether that file of a package holds all segments of a track, so that players fetch it in ranges."""
    return "/" in path and PurePosixPath(path).name in _ALL_SEGMENTS


def is_download(settings: OutputSettings, path: str) -> bool:
    """Whether who fetches that file has the whole output, or is about to: of parts and pictures the first counts."""
    if not settings.folder or path == ARCHIVE:
        return True
    return is_entry(path) if settings.kind == "package" else _FIRST_OF_ALL.search(path) is not None


_FIRST_OF_ALL = re.compile(r"(?<![0-9])0*1\.[a-z0-9]+$")


def is_entry(path: str) -> bool:
    """Whether who fetches that file of a package has the whole of it, or is about to: an MP4 or a manifest beside."""
    return "/" not in path and path.endswith((".m3u8", ".mpd", ".mp4", ".m4a"))


def _require_password(output: Output, password: str | None, guesses: FailedLogins, place: str) -> None:
    if not output.password_hashes:
        return
    if password is None:
        raise PasswordNeeded(f"{output.name} opens with a password: send it as Basic credentials, with any user name.")
    seen = {hashlib.sha256(f"{one}\0{password}".encode(errors="surrogatepass")).hexdigest(): one
            for one in output.password_hashes}  # fmt: skip
    if _known.keys() & seen.keys():
        return
    guesses.allow(output.id, place)
    fitting = next((name for name, one in seen.items() if fits(password, one)), None)
    if fitting is None:
        guesses.failed(output.id, place)
        raise PasswordNeeded(f"This is no password of {output.name}.")
    _known[fitting] = None
    while len(_known) > _MOST_KNOWN:
        _known.pop(next(iter(_known)), None)


_known: dict[str, None] = {}
"""Hashes of passwords that have fitted, the latest last: a player asks for each segment, and argon2 is slow."""
