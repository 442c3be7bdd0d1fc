"""Outputs as they are fetched: where a file of one lies, who may have it, and how often."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from framemill.errors import Forbidden, KeyRefused, LinkExpired, NotFound
from framemill.jobs.model import Delivery, Output, could_be_id
from framemill.services.callers import Caller
from framemill.services.fileplace import FilePlace
from framemill.storage.http import is_remote
from framemill.store import jobs as job_rows
from framemill.store import outputs as output_rows
from framemill.store.database import Database
from framemill.store.outputs import OwnedOutput

LINK_SECONDS = 24 * 3600
"""How long a link is good, where nothing else is said."""

_FIRST = "master.m3u8"
_MOST_KNOWN = 1000


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
    """Its output has a limit or a password, so that nobody between may keep it."""


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
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._place = place
        self._caller = caller
        self._playing = playing
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

    def file(self, output_id: str, path: str, password: str | None = None) -> OutputFile:
        """A file of an output, for whoever has a link to it.

        Raises `NotFound`, `LinkExpired` (the output's time is over), `PasswordNeeded`.
        """
        with self._database.reading() as conn:
            owned = output_rows.load_output(conn, output_id)
            if owned is None or owned.output.withdrawn_at is not None:
                raise NotFound("There is no such output any more.")
            published = output_rows.published_file(conn, output_id, path)
        output = owned.output
        if output.expires_at is not None and self._clock() >= output.expires_at:
            raise LinkExpired(f"{output.name} was kept until {output.expires_at:%Y-%m-%d %H:%M} UTC, and is gone.")
        _require_password(output, password)
        found = self._published(output, published) if published is not None else self._growing(owned, path)
        if found is None:
            raise NotFound(f"{output.name} has no file {path!r}, or not yet.")
        return found

    def counted(self, output_id: str) -> None:
        """Count a download. Raises `Forbidden` where the output's limit is reached."""
        with self._database.writing() as conn:
            counted = job_rows.count_download(conn, output_id)
        if not counted:
            raise Forbidden("This output was downloaded as often as its owner allows.")

    def _published(self, output: Output, row: Delivery) -> OutputFile | None:
        path = where(self._place, output, row)
        try:
            if path is None or path.stat().st_size != row.size:  # somebody else has written there meanwhile
                return None
        except OSError:
            return None
        package = output.settings.container == "package"
        return OutputFile(
            path=path,
            output_id=output.id,
            name=PurePosixPath(row.path).name if package else output.name,
            sha256=row.sha256,
            counts=not package or is_entry(row.path),
            held=bool(output.password_hashes) or output.download_limit is not None,
        )

    def _growing(self, owned: OwnedOutput, path: str) -> OutputFile | None:
        found = self._playing(self._place, owned, path)
        if found is None or not found.is_file():
            return None
        return OutputFile(
            path=found,
            output_id=owned.output.id,
            name=PurePosixPath(path).name,
            growing=found.suffix in {".m3u8", ".mpd"},
            held=bool(owned.output.password_hashes) or owned.output.download_limit is not None,
        )


def where(place: FilePlace, output: Output, row: Delivery) -> Path | None:
    """Where a published file lies; None: on no disk of the farm's."""
    if output.target is None:
        return place.work / output.job_id / str(row.attempt) / output.id / row.path
    if is_remote(output.target):
        return None
    target = Path(output.target)
    return target / row.path if output.settings.container == "package" else target


def is_entry(path: str) -> bool:
    """Whether who fetches that file of a package has the whole of it, or is about to: its MP4 or a manifest beside."""
    return "/" not in path and path.endswith((".m3u8", ".mpd", ".mp4"))


def _require_password(output: Output, password: str | None) -> None:
    if not output.password_hashes:
        return
    if password is None:
        raise PasswordNeeded(f"{output.name} opens with a password: send it as Basic credentials, with any user name.")
    if not any(_fits(known, password) for known in output.password_hashes):
        raise PasswordNeeded(f"This is no password of {output.name}.")


_HASHER = PasswordHasher()
_known: dict[str, None] = {}
"""Hashes of passwords that have fitted, the latest last: a player asks for each segment, and argon2 is slow."""


def _fits(known: str, password: str) -> bool:
    seen = hashlib.sha256(f"{known}\0{password}".encode(errors="surrogatepass")).hexdigest()
    if seen in _known:
        return True
    try:
        _HASHER.verify(known, password)
    except (Argon2Error, InvalidHashError):
        return False
    _known[seen] = None
    while len(_known) > _MOST_KNOWN:
        _known.pop(next(iter(_known)), None)
    return True
