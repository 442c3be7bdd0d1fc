"""The route that files are sent to: one each time, as a form, straight to the disk."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Depends, Request

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.bytes.bodies import content_length, in_thread
from framemill.api.forms import Form, FormFile, FormTooLarge, keep_form
from framemill.api.onlineconvert import mapping
from framemill.api.onlineconvert.asked import TheOrders
from framemill.api.onlineconvert.kept import Sent
from framemill.api.onlineconvert.names import NAME
from framemill.api.onlineconvert.orders import Orders
from framemill.api.onlineconvert.refused import over_limit
from framemill.errors import Conflict, NotFound, TooLarge, WrongUse
from framemill.jobs.model import Job, new_id
from framemill.jobs.states import JobState
from framemill.jobs.uploads import UploadState
from framemill.services.fileplace import FilePlace
from framemill.services.idempotency import Ids, nth
from framemill.services.inputs import InputRequest, require_room
from framemill.services.jobs import Shown
from framemill.services.uploads import NewUpload, Uploads
from framemill.storage.receiving import Bounds

routes = APIRouter(dependencies=[Depends(needs("jobs:write")), Depends(needs("uploads"))])

UUID_HEADERS = ("x-oc-upload-uuid", "x-api2convert-upload-uuid")
FIELD = "file"
_ENVELOPE_BYTES = 1 << 20
"""What a form may add to its file."""
_LONGEST_WORD = 255


@routes.post("/upload-file/{job_id}", status_code=201)
async def upload(request: Request, job_id: str, orders: TheOrders, caller: TheCaller, parts: Parts) -> dict[str, Any]:
    """One more input of a job that has not begun; nobody looks into the file before the answer.

    Who sends an X-Oc-Upload-Uuid may send the same once more: it is one input all the same.
    """
    job = (await asyncio.to_thread(orders.jobs.shown, job_id)).job
    owner = replace(caller, account=job.account)
    looked = Uploads(parts.database, parts.files, caller=owner, door=NAME)
    ids, upload_id = await asyncio.to_thread(_named, request, job, looked)
    uploads = Uploads(parts.database, parts.files, caller=owner, door=NAME, ids=ids, nudge=parts.nudge)
    sending = _Sending(job, orders, uploads, parts.files, upload_id)
    known = await asyncio.to_thread(sending.known)
    if known is not None:
        async for _ in request.stream():  # who sends it once more wants to get rid of all of it
            pass
        return known
    with _told_as_limit():
        bounds = await asyncio.to_thread(sending.begun, content_length(request))
        form = await keep_form(
            request, lambda: uploads.draft(sending.upload_id), bounds, ("sha256", "md5"), files={FIELD}
        )
    return await in_thread(lambda: sending.taken(form))


@dataclass(frozen=True, slots=True)
class _Sending:
    """A file on its way into a job; each call blocks."""

    job: Job
    """As it was when the request came."""
    orders: Orders
    uploads: Uploads
    place: FilePlace
    upload_id: str

    def known(self) -> dict[str, Any] | None:
        """The input that it has become already; none: it has not."""
        return self._told(self.orders.jobs.shown(self.job.id))

    def begun(self, length: int | None) -> Bounds:
        """How large it may be; `length`: of the whole form, where that is said.

        Nothing is written yet, so nothing stays of a file that is cut off on its way. Raises `Conflict` for a job that
        has begun, `OverLimit` where it has its inputs, `TooLarge`.
        """
        shown = self.orders.jobs.shown(self.job.id)
        if shown.job.state is not JobState.HELD:
            raise Conflict(f"The job is {shown.job.state}: files are sent before it is processed.")
        require_room(len(shown.inputs) + 1, shown.job.limits)
        sizes = (shown.job.limits.max_input_bytes, self.place.upload_bytes)
        most = min((size for size in sizes if size is not None), default=None)
        bounds = self.place.bounds(most)
        if most is not None and most == shown.job.limits.max_input_bytes == bounds.most_bytes:
            bounds = replace(bounds, why="The job's limits.input.max_file_size allows no more.")
        if length is not None:
            self.uploads.require_fit(max(0, length - _ENVELOPE_BYTES), bounds)
        return bounds

    def taken(self, form: Form) -> dict[str, Any]:
        """The input that it has become, which may have been all that its job lacked.

        Raises `WrongUse` for a form without a file, as `begun`, and as `Uploads.created`.
        """
        try:
            file = _file(form)
            received = file.received
            called, kind = _printable(file.filename), _printable(file.content_type or "") or None
            asked = NewUpload(filename=called or FIELD, size=received.size, content_type=kind)
            name = self.uploads.created(asked).filename
            self.uploads.taken(self.upload_id, received)
        except BaseException:
            form.discarded()
            raise
        for other in form.files:
            if other is not file:
                other.received.path.unlink(missing_ok=True)
        sent = Sent(type="upload", source=called, checksum=received.digests["md5"], size=received.size)
        wanted = InputRequest(upload_id=self.upload_id, filename=name, metadata=sent.data)
        try:
            shown, _ = self.orders.sources_added(self.job.id, [wanted])
        except WrongUse:  # it has begun meanwhile, or has its inputs
            with contextlib.suppress(Conflict, NotFound):
                self.uploads.aborted(self.upload_id)
            raise
        found = self._told(shown)
        if found is None:
            raise Conflict("The job was changed meanwhile: send the file again.")
        return found

    def _told(self, shown: Shown) -> dict[str, Any] | None:
        mine = next((one for one in shown.inputs if one.upload_id == self.upload_id), None)
        return None if mine is None else mapping.input_file(shown, mine)


def _file(form: Form) -> FormFile:
    """The one that is meant. Raises `WrongUse` where there is none."""
    named = [file for file in form.files if file.field == FIELD] or list(form.files)
    if not named:
        raise WrongUse(f"The form has no file: send one in the field {FIELD!r}.")
    return named[0]


def _printable(said: str) -> str:
    """Without what no database takes, and no page shows."""
    return "".join(letter for letter in said if letter.isprintable())[:_LONGEST_WORD]


def _named(request: Request, job: Job, uploads: Uploads) -> tuple[Ids, str]:
    """Ids of which the first is the upload's, and that one: the same whenever its sender says the same word, but for
    one that was given up since. Blocks."""
    said = next((word for name in UUID_HEADERS if (word := request.headers.get(name, "").strip())), "")
    if not said:
        return _ids(new_id(), "upload")
    return next(
        found
        for number in itertools.count()
        if not _given_up(uploads, (found := _ids(job.id, f"upload {said}" + (f" {number}" if number else "")))[1])
    )


def _ids(seed: str, part: str) -> tuple[Ids, str]:
    ids = Ids(seed)
    ids.turn_to(part)
    return ids, nth(seed, 0, part)


def _given_up(uploads: Uploads, upload_id: str) -> bool:
    try:
        return uploads.shown(upload_id).upload.state in {UploadState.ABORTED, UploadState.EXPIRED}
    except NotFound:
        return False


@contextlib.contextmanager
def _told_as_limit() -> Iterator[None]:
    try:
        yield
    except FormTooLarge as error:
        raise WrongUse(error.message) from None
    except TooLarge as error:
        raise over_limit(error.message) from None
