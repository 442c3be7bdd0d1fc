"""Uploads: made by an account, filled by whoever has the link, used by jobs.

Truth is in SQL: a file counts from when a row names it. Every body goes to a file of its own, so that two who send the
same at once do each other no harm: the row names one of them, and the other's is removed.
"""

import contextlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field
from sqlalchemy import Connection

from framemill.errors import Conflict, LinkExpired, NotFound, StaleWrite, TooLarge, WrongUse
from framemill.jobs.model import NATIVE, could_be_id
from framemill.jobs.settings import Value
from framemill.jobs.states import advance
from framemill.jobs.uploads import (
    MOST_PARTS,
    UPLOAD_TRANSITIONS,
    AbortAsked,
    AllReceived,
    Part,
    Protocol,
    Upload,
    UploadEvent,
    UploadState,
    missing_parts,
    part_bytes_for,
)
from framemill.services.accounts import admit_upload, count_upload
from framemill.services.callers import Caller
from framemill.services.fileplace import FilePlace
from framemill.services.idempotency import Ids
from framemill.services.sources import refuse_needed
from framemill.storage import straight
from framemill.storage.blobs import Straight
from framemill.storage.receiving import Bounds, Draft, Received, join
from framemill.store import uploads as upload_rows
from framemill.store.database import Database

Result = TypeVar("Result")

BEARER = Caller(scopes=frozenset({"uploads"}), admin=True, actor="link")
"""Whoever holds a link that the farm has signed: the link names the one upload, so they see no other."""

_UNDER_WAY = (UploadState.OPEN.value,)
_LONGEST_NAME = 255  # bytes
_ODD = re.compile(r"[\x00-\x1f\x7f/\\]")
_MOST_TRIES = 10


class NewUpload(Value):
    """An upload as a client asks for it."""

    filename: str
    size: int | None = Field(default=None, ge=0)
    """Bytes; none: not known yet."""
    content_type: str | None = None
    multipart: bool = False
    straight: bool = False
    """Its sender can go to the farm's bucket, where there is one, and say when all is there."""
    metadata: Mapping[str, Any] = {}


class GivenPart(Value):
    """A part as its sender names it."""

    number: int
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ShownUpload:
    """An upload with the parts that have come."""

    upload: Upload
    parts: Sequence[Part] = ()


class Uploads:
    """What a front door may do with uploads; each call blocks."""

    def __init__(
        self,
        database: Database,
        place: FilePlace,
        *,
        caller: Caller,
        door: str = NATIVE,
        ids: Ids | None = None,
        nudge: Callable[[Sequence[str]], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`nudge` tells the coordinator which jobs can go on; one that is lost costs time only."""
        self._database = database
        self._place = place
        self._nudge = nudge
        self._caller = caller
        self._door = door
        self._ids = ids or Ids()
        self._clock = clock

    def created(self, asked: NewUpload, protocol: Protocol | None = None) -> Upload:
        """Make an upload, which holds nothing yet. Raises `WrongUse`, and as `accounts.admit_upload`."""
        most = self._place.upload_bytes
        if most is not None and (asked.size or 0) > most:
            raise _about("size", TooLarge(f"An upload holds {most} bytes at most; FRAMEMILL_UPLOAD_BYTES sets that."))
        now = self._clock()
        upload = Upload(
            id=self._ids(),
            account=self._caller.account,
            door=self._door,
            filename=_name(asked.filename),
            content_type=asked.content_type,
            protocol=protocol or ("multipart" if asked.multipart else "put"),
            part_bytes=part_bytes_for(asked.size) if asked.multipart and asked.size is not None else None,
            size=asked.size,
            created_at=now,
            expires_at=now + self._place.kept_for,
            metadata={name: value for name, value in asked.metadata.items() if name not in straight.OWN},
        )
        if asked.straight and self._place.straight is not None:
            upload = straight.begun(self._place.straight, upload)
        with self._database.writing() as conn:
            known = upload_rows.load_upload(conn, upload.id) if self._ids.again else None
            if known is None:
                admit_upload(conn, self._caller, size=asked.size, under_way=_UNDER_WAY, now=now)
                upload_rows.add_upload(conn, upload)
        return known or upload

    def shown(self, upload_id: str) -> ShownUpload:
        """An upload, with what has come of it. Raises `NotFound`."""
        with self._database.reading() as conn:
            upload = self._loaded(conn, upload_id)
            parts = upload_rows.parts_of(conn, upload_id)
        if self._place.straight is not None and straight.in_parts(upload) and upload.state is UploadState.OPEN:
            parts = straight.come(self._place.straight, upload)
        if upload.protocol != "multipart" and upload.state is UploadState.OPEN:
            upload = upload.model_copy(update={"received": self.offset(upload)})
        return ShownUpload(upload, parts)

    def listed(self, limit: int = 50, cursor: str | None = None) -> tuple[list[Upload], str | None]:
        """Uploads, newest first, and where to go on; none: there are no more."""
        with self._database.reading() as conn:
            found = upload_rows.list_uploads(conn, self._caller.sees, cursor, limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def aborted(self, upload_id: str) -> Upload:
        """Give it up, and throw away what has come. Raises `Conflict` as `sources.refuse_needed`."""

        def abort(conn: Connection) -> Upload:
            upload = self._loaded(conn, upload_id)
            if upload.state in {UploadState.ABORTED, UploadState.EXPIRED}:
                return upload
            if upload.state is UploadState.COMPLETED:
                refuse_needed(conn, upload_id)
            return ended(conn, upload, AbortAsked(), "Its owner gave it up.", self._clock() + self._place.kept_for)

        done = self._told(self._raced(abort))
        shutil.rmtree(self._place.folder(upload_id), ignore_errors=True)
        self._place.blobs.unshare(self._place.folder(upload_id))
        if self._place.straight is not None:
            straight.given_up(self._place.straight, done)
        return done

    # Bodies that came in one go

    def open_for(self, upload_id: str, length: int | None) -> tuple[Upload, Bounds]:
        """The upload that somebody sends the body of, and how much of it may come; `length`: what they announce.

        Raises `NotFound`, `Conflict` (aborted), `LinkExpired`, `TooLarge` and `WrongUse` (another size than announced).
        """
        upload = self._filling(upload_id, "put", "tus")
        bounds = self._place.bounds(upload.size if upload.size is not None else self._place.upload_bytes)
        self.require_fit(length, bounds)
        _require_size(upload, length)
        return upload, bounds

    @staticmethod
    def require_fit(length: int | None, bounds: Bounds) -> None:
        """Refuse a body before it is sent: better than in its middle. Raises `TooLarge`."""
        if length is not None and bounds.most_bytes is not None and length > bounds.most_bytes:
            raise TooLarge(f"The body has {length} bytes; {bounds.most_bytes} are taken at most. {bounds.why}")

    def draft(self, upload_id: str, kind: str = "body") -> Path:
        """Where to write what comes: a file of this body's own."""
        return self._place.folder(upload_id) / f"{kind}-{secrets.token_hex(8)}"

    def taken(self, upload_id: str, received: Received) -> Upload:
        """The whole body has come. Sent a second time, it has to be the same. Raises `Conflict` and `WrongUse`."""

        self._place.blobs.share(received.path)

        def take(conn: Connection) -> Upload:
            upload = self._loaded(conn, upload_id)
            if upload.state is UploadState.COMPLETED and upload.sha256 == received.digests.get("sha256"):
                return upload
            _require_size(upload, received.size)
            return self._completed(conn, upload, received.path, received.size, received.digests)

        return self._told(self._keeping(take, received.path))

    # Parts

    def open_for_part(self, upload_id: str, number: int, length: int | None) -> Bounds:
        """How much of that part may come. Raises as `open_for` does, and `WrongUse` for a number that is none."""
        upload = self._filling(upload_id, "multipart")
        if not 1 <= number <= MOST_PARTS:
            raise WrongUse(f"Parts are numbered from 1 to {MOST_PARTS}, not {number}.")
        bounds = self._place.bounds(upload.part_bytes or self._place.upload_bytes)
        self.require_fit(length, bounds)
        return bounds

    def part_taken(self, upload_id: str, number: int, received: Received) -> Part:
        """A part has come; one of its number that came before is replaced."""
        now = self._clock()
        etag = received.digests["sha256"]
        part = Part(upload_id=upload_id, number=number, size=received.size, etag=etag, received_at=now)
        path = self._part(part)
        with _removed_unless_done(received.path):
            received.path.replace(path)
            with self._database.writing() as conn:
                before = {one.number: one for one in upload_rows.parts_of(conn, upload_id)}.get(number)
                if not upload_rows.put_part(conn, part, now + self._place.kept_for):
                    raise Conflict(f"The upload {upload_id} is open no more: make another one.")
        if before is not None and before.etag != etag:
            self._part(before).unlink(missing_ok=True)
        return part

    def completed(self, upload_id: str, given: Sequence[GivenPart] = ()) -> Upload:
        """Put the parts together, in order of their numbers: those that are `given`, or all that have come.

        Asked once more it answers as before. Raises `Conflict` where parts are missing or changed meanwhile, and
        `WrongUse` where an ETag or the announced size is another one.
        """
        with self._database.reading() as conn:
            upload = self._loaded(conn, upload_id)
            parts = {part.number: part for part in upload_rows.parts_of(conn, upload_id)}
        if upload.state is UploadState.COMPLETED:
            return upload
        if self._place.straight is not None and (upload.protocol == "put" or straight.in_parts(upload)):
            return self._completed_there(self._place.straight, upload, given)
        if upload.protocol != "multipart":
            raise Conflict(f"The upload {upload_id} takes one body and completes itself: send it to its url.")
        self._require_open(upload)
        chosen = _chosen(upload, parts, given)
        size = sum(part.size for part in chosen)
        self._require_size_and_room(upload, size)
        whole = self.draft(upload_id)
        try:
            join([self._part(part) for part in chosen], whole, self._place.min_free_bytes)
        except Conflict:  # asked twice at once, perhaps, and the other has put them together
            with self._database.reading() as conn:
                upload = self._loaded(conn, upload_id)
            if upload.state is not UploadState.COMPLETED:
                raise
            return upload
        self._place.blobs.share(whole)
        digests = {"sha256": chosen[0].etag} if len(chosen) == 1 else {}

        def complete(conn: Connection) -> Upload:
            now = self._loaded(conn, upload_id)
            if now.state is UploadState.COMPLETED:  # asked twice at once
                return now
            if now.version != upload.version:
                raise Conflict(f"Parts of the upload {upload_id} came while it was completed: complete it again.")
            upload_rows.drop_parts(conn, upload_id)
            return self._completed(conn, now, whole, size, digests)

        done = self._told(self._keeping(complete, whole))
        for part in parts.values():
            self._part(part).unlink(missing_ok=True)
        return done

    def _completed_there(self, bucket: Straight, upload: Upload, given: Sequence[GivenPart]) -> Upload:
        """What its sender says that they have put into the bucket."""
        self._require_open(upload)
        come = {part.number: part for part in straight.come(bucket, upload)} if straight.in_parts(upload) else {}
        if come:  # else they were put together before, and nobody was told
            chosen = _chosen(upload, come, given)
            self._require_size_and_room(upload, sum(part.size for part in chosen))
            straight.together(bucket, upload, chosen)
        size = straight.there(bucket, upload).size
        self._require_size_and_room(upload, size)
        path = self._place.folder(upload.id) / straight.BODY

        def complete(conn: Connection) -> Upload:
            now = self._loaded(conn, upload.id)
            return now if now.state is UploadState.COMPLETED else self._completed(conn, now, path, size, {})

        return self._told(self._raced(complete))

    def _require_size_and_room(self, upload: Upload, size: int) -> None:
        _require_size(upload, size)
        if self._place.upload_bytes is not None and size > self._place.upload_bytes:
            raise TooLarge(f"An upload holds {self._place.upload_bytes} bytes at most, not {size}.")

    # A body that is gone on with

    def offset(self, upload: Upload) -> int:
        """How many bytes of it have come: what the disk says, whoever was cut off while writing."""
        if upload.state is UploadState.COMPLETED:
            return upload.size or 0
        try:
            return self.growing(upload).stat().st_size
        except FileNotFoundError:
            return 0

    def growing(self, upload: Upload) -> Path:
        """The file that it grows in."""
        return self._place.folder(upload.id) / "tus"

    def open_for_more(self, upload_id: str) -> Upload:
        """An upload that can be gone on with. Raises as `open_for` does."""
        return self._filling(upload_id, "put", "tus")

    def more_bounds(self, upload: Upload, offset: int, length: int | None) -> Bounds:
        """How much more may come behind `offset`. Raises `TooLarge`."""
        whole = upload.size if upload.size is not None else self._place.upload_bytes
        bounds = self._place.bounds(None if whole is None else max(0, whole - offset))
        self.require_fit(length, bounds)
        return bounds

    def settled(self, upload_id: str) -> Upload:
        """The upload as it is; where all of it lies there and nobody came to say so, it is completed now."""
        upload = self.open_for_more(upload_id)
        if upload.state is UploadState.OPEN and upload.size is not None and self.offset(upload) == upload.size:
            try:  # whoever writes there holds it, and may yet take it back
                Draft(self.growing(upload), Bounds(), (), at=upload.size).finished()
            except Conflict:
                return upload
            return self.more_taken(upload_id)
        return upload

    def more_taken(self, upload_id: str, size: int | None = None, *, whole_sha256: str | None = None) -> Upload:
        """More has come; with the last byte it is completed. `size`: now it is known how large it will be."""
        if self._place.blobs.shared:
            self._share_if_whole(upload_id, size)

        def note(conn: Connection) -> Upload:
            upload = self._loaded(conn, upload_id)
            if upload.state is UploadState.COMPLETED:
                return upload
            self._require_open(upload)
            if size is not None and upload.size not in {None, size}:
                raise WrongUse(f"The upload was announced with {upload.size} bytes, and now with {size}.")
            upload = upload.model_copy(update={"protocol": "tus", "size": upload.size if size is None else size})
            come = self.offset(upload)
            if come == upload.size:
                digests = {} if whole_sha256 is None else {"sha256": whole_sha256}
                return self._completed(conn, upload, self.growing(upload), come, digests)
            later = self._clock() + self._place.kept_for
            return upload_rows.save_upload(conn, upload.model_copy(update={"received": come, "expires_at": later}))

        return self._told(self._raced(note))

    def _share_if_whole(self, upload_id: str, size: int | None) -> None:
        with self._database.reading() as conn:
            upload = self._loaded(conn, upload_id)
        path = self.growing(upload)
        if upload.state is UploadState.OPEN and self.offset(upload) == (upload.size if size is None else size):
            self._place.blobs.share(path)

    # How

    def _filling(self, upload_id: str, *protocols: Protocol) -> Upload:
        with self._database.reading() as conn:
            upload = self._loaded(conn, upload_id)
        if upload.state is not UploadState.COMPLETED:
            self._require_open(upload)
        if upload.protocol not in protocols:
            takes = "parts, each to its own url" if upload.protocol == "multipart" else "one body, sent to its url"
            raise Conflict(f"The upload {upload_id} takes {takes}.")
        return upload

    def _require_open(self, upload: Upload) -> None:
        if upload.state is UploadState.ABORTED:
            raise NotFound(f"The upload {upload.id} was given up: make another one.")
        over = upload.state is UploadState.OPEN and upload.expires_at is not None and self._clock() > upload.expires_at
        if upload.state is UploadState.EXPIRED or over:
            raise LinkExpired(f"The upload {upload.id} has expired: make another one.")

    def _completed(self, conn: Connection, upload: Upload, path: Path, size: int, digests: Mapping[str, str]) -> Upload:
        if upload.state is UploadState.COMPLETED:
            raise Conflict(f"The upload {upload.id} holds another body already: make another upload.")
        self._require_open(upload)
        now = self._clock()
        if upload.size is None:  # nobody knew before what it would count for
            owner = Caller(account=upload.account)
            admit_upload(conn, owner, size=size, under_way=_UNDER_WAY, now=now, upload_id=upload.id)
        count_upload(conn, upload.account, size, now)
        changes = {
            "state": advance(UPLOAD_TRANSITIONS, upload.state, AllReceived()),
            **{"blob": str(path), "size": size, "received": size, "completed_at": now},
            **{"sha256": digests.get("sha256"), "md5": digests.get("md5"), "expires_at": now + self._place.kept_for},
        }
        return upload_rows.save_upload(conn, upload.model_copy(update=changes))

    def _keeping(self, change: Callable[[Connection], Upload], path: Path) -> Upload:
        """The change; the file stays only if the upload's row names it then."""
        done: Upload | None = None
        try:
            done = self._raced(change)
        finally:
            if done is None or done.blob != str(path):
                path.unlink(missing_ok=True)
                self._place.blobs.forget([f"uploads/{path.parent.name}/{path.name}"])
        return done

    def _told(self, upload: Upload) -> Upload:
        """Wake the jobs that wait for an upload, once no more of it comes."""
        if upload.state is not UploadState.OPEN:
            with self._database.reading() as conn:
                waiting = upload_rows.needed_by(conn, upload.id)
            if waiting:
                self._nudge(waiting)
        return upload

    def _raced(self, change: Callable[[Connection], Result]) -> Result:
        """The change, made again as long as somebody else was first (PostgreSQL)."""
        for _ in range(_MOST_TRIES):
            try:
                with self._database.writing() as conn:
                    return change(conn)
            except StaleWrite:
                continue
        raise Conflict("The upload changes all the time; try again.")

    def _loaded(self, conn: Connection, upload_id: str) -> Upload:
        found = upload_rows.load_upload(conn, upload_id) if could_be_id(upload_id) else None
        if found is None or self._caller.sees not in {None, found.account}:
            raise NotFound(f"There is no upload {upload_id!r}.")
        return found

    def _part(self, part: Part) -> Path:
        return self._place.folder(part.upload_id) / f"part-{part.number:05}-{part.etag}"


def ended(conn: Connection, upload: Upload, event: UploadEvent, message: str, until: datetime) -> Upload:
    """Write that an upload has come to an end without use: its bytes may go; its row does at `until`."""
    upload_rows.drop_parts(conn, upload.id)
    state = advance(UPLOAD_TRANSITIONS, upload.state, event)
    told = {"state": state, "message": message, "blob": None, "expires_at": until}
    return upload_rows.save_upload(conn, upload.model_copy(update=told))


def _chosen(upload: Upload, parts: Mapping[int, Part], given: Sequence[GivenPart]) -> list[Part]:
    numbers = sorted({one.number for one in given}) or sorted(parts)
    if len(numbers) != len(given or numbers):
        raise _about("parts", WrongUse("A part is named twice."))
    whole = {number: parts[number] for number in numbers if number in parts}
    lacking = [number for number in numbers if number not in parts]
    lacking += missing_parts(whole, upload.size, upload.part_bytes) if not lacking and not given else ()
    if lacking or not numbers:
        told = f"part {', '.join(map(str, lacking[:10]))}" if lacking else "every part"
        raise Conflict(f"The upload {upload.id} cannot be completed: {told} has not come.")
    for one in given:
        etag = None if one.etag is None else one.etag.removeprefix("W/").strip('"').lower()
        if etag not in {None, parts[one.number].etag}:
            told = f"Part {one.number} came with the ETag {parts[one.number].etag}, not {etag}: send it again."
            raise _about("parts", WrongUse(told))
    return list(whole.values())


def _require_size(upload: Upload, size: int | None) -> None:
    if size is not None and upload.size is not None and upload.state is UploadState.OPEN and size != upload.size:
        raise WrongUse(f"The upload was announced with {upload.size} bytes, and what came has {size}.")


def _name(filename: str) -> str:
    """The last part of what the client calls it, as a name that is safe wherever it goes."""
    last = filename.replace("\\", "/").rstrip("/").rpartition("/")[2]
    plain = _ODD.sub("", last).strip()
    if plain in {"", ".", ".."} or len(plain.encode()) > _LONGEST_NAME:
        raise _about("filename", WrongUse(f"{filename!r} is no name of a file: it has 1 to {_LONGEST_NAME} bytes."))
    return plain


Error = TypeVar("Error", bound=WrongUse)


def _about(param: str, error: Error) -> Error:
    error.param = param
    return error


@contextlib.contextmanager
def _removed_unless_done(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
