"""Inputs and output targets as the farm takes them.

What a client says about cloud storage is taken whatever it is, and what is wrong with it fails the input later, as the
documents have it; targets are looked at when they are named.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from framemill.api.onlineconvert.clouds import Place, place_of, told
from framemill.api.onlineconvert.kept import Conversion, Sent
from framemill.api.onlineconvert.names import NAME
from framemill.api.onlineconvert.refused import over_limit
from framemill.api.onlineconvert.schemas import NewInput
from framemill.api.parts import ApiParts
from framemill.errors import KeyRefused, NotFound, WrongUse
from framemill.jobs.model import Limits
from framemill.jobs.settings import Container
from framemill.secrets import mask_url
from framemill.services.callers import Caller
from framemill.services.desk import Desk, way_of
from framemill.services.fields import about
from framemill.services.fileplace import FilePlace
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs
from framemill.services.outputs import Outputs, looked_at
from framemill.services.reusing import as_upload
from framemill.services.targets import TargetRequest
from framemill.services.uploads import NewUpload, Uploads
from framemill.storage.access import DriveAccess
from framemill.storage.putting import path_numbered
from framemill.storage.receiving import Draft

ENGINES = frozenset({"", "auto", "video", "file"})
"""That fetch what is at an address; others would make a picture of a page, or take an archive apart."""
_DATA_URL = re.compile(r"data:[^,]{0,200};base64,")


class At(NamedTuple):
    """Where an input is looked up that is somebody else's, and put that comes with the request."""

    jobs: Jobs
    uploads: Uploads
    outputs: Outputs
    place: FilePlace
    desk: Desk
    caller: Caller
    one_job: bool = False
    """Whoever asks has come by a job's token, which opens nothing of other jobs."""


def at_of(parts: ApiParts, caller: Caller, jobs: Jobs, *, one_job: bool) -> At:
    """The same, of who asks."""
    uploads = Uploads(parts.database, parts.files, caller=caller, door=NAME, nudge=parts.nudge)
    outputs = Outputs(parts.database, parts.files, caller=caller)
    return At(jobs, uploads, outputs, parts.files, parts.desk_of(caller), caller, one_job)


def input_of(asked: NewInput, at: At, limits: Limits = Limits()) -> InputRequest:  # noqa: B008 (immutable)
    """The source that is meant; `limits`: of its job. Blocks. Raises `WrongUse` about its field, and where it is too
    large."""
    sent = Sent(
        type=asked.type,
        source=_shown(asked),
        engine=asked.engine or "auto",
        options=asked.options,
        parameters=told(asked.parameters),
        metadata=asked.metadata,
    )
    plain: dict[str, Any] = {"filename": asked.filename, "metadata": sent.data}
    if at.one_job and asked.type in {"input_id", "output"}:
        raise KeyRefused(f"A job's token opens that job alone: an input of type {asked.type} takes your key.")
    match asked.type:
        case "remote":
            return _remote(asked, plain)
        case "cloud" | "gdrive_picker":
            return _cloud(asked, at, plain)
        case "input_id":
            return InputRequest(like=asked.source, **plain)
        case "base64":
            return _sent_along(asked, at, limits, sent)
        case "output":
            return _output(asked, at, limits, sent)
        case "upload":
            with about("type"):
                raise WrongUse("Send a file to the job's server: POST {server}/upload-file/{id}.")


def targets_of(
    conversion: Conversion, container: Container | None = None, number: int = 1
) -> tuple[TargetRequest, ...]:
    """Where the result of a conversion (opened) shall be put; what is there already is not replaced.

    `number`: of the results of one conversion, from 1; `film.mp4` is that of the first, `film (2).mp4` that of the
    second. Raises `WrongUse` about `output_target.N…`.
    """
    found = []
    for position, one in enumerate(conversion.output_target):
        with about(f"output_target.{position}"):
            with about("type"):
                refuse_unknown(one.type)
            place = place_of(one.type, _numbered(one.parameters, number), one.credentials)
            acl = one.parameters.get("acl")
            found.append(
                TargetRequest(
                    uri=place.uri,
                    credentials=place.access,
                    if_exists="fail",
                    acl=str(acl) if acl else None,
                    container=container,
                )
            )
    return tuple(found)


def _numbered(parameters: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    file = parameters.get("file")
    if number == 1 or not isinstance(file, str):
        return parameters
    return {**parameters, "file": path_numbered(file, number, folder=False)}


def refuse_unknown(provider: str) -> None:
    """Raise `WrongUse` for storage that the farm does not write to by what clients send."""
    if provider in {"gdrive", "youtube"}:
        raise WrongUse(f"{provider} takes a login that this server does not have: use another output target.")


def _shown(asked: NewInput) -> str:
    """The source, as it may be told again."""
    return (asked.filename or "") if asked.type == "base64" else mask_url(asked.source)


def _remote(asked: NewInput, plain: dict[str, Any]) -> InputRequest:
    if not asked.source.lower().startswith(("http://", "https://")):
        with about("source"):
            raise WrongUse("A remote input is at http:// or https://; other stores are inputs of type cloud.")
    engine = (asked.engine or "").lower()
    if engine not in ENGINES:
        why = f"The engine {engine[:40]!r} is none of a farm of films; there are auto, video and file."
        return InputRequest(uri=mask_url(asked.source), unusable=why, **plain)
    return InputRequest(uri=asked.source, **plain)


def _cloud(asked: NewInput, at: At, plain: dict[str, Any]) -> InputRequest:
    """What is wrong with it is wrong with the input, and not with the request."""
    try:
        place = (
            _drive(asked)
            if asked.type == "gdrive_picker"
            else place_of(asked.source, asked.parameters, asked.credentials)
        )
        way_of(place.uri, place.access, at.caller.account, at.desk)
    except WrongUse as error:
        return InputRequest(uri=_shown(asked)[:200], unusable=f"{asked.type}: {error.message}", **plain)
    return InputRequest(uri=place.uri, credentials=place.access, **plain)


def _drive(asked: NewInput) -> Place:
    token = asked.credentials.get("token")
    if not isinstance(token, str) or not token:
        raise WrongUse("credentials.token is missing: the picker's own, which opens the file.")
    return Place(f"gdrive://{asked.source}", DriveAccess(token=token))


def _sent_along(asked: NewInput, at: At, limits: Limits, sent: Sent) -> InputRequest:
    if not asked.filename:
        with about("filename"):
            raise WrongUse("filename: an input of type base64 takes one.")
    said = _DATA_URL.sub("", asked.source, count=1)
    try:
        body = base64.b64decode("".join(said.split()), validate=True)
    except (binascii.Error, ValueError):
        with about("source"):
            raise WrongUse("source: it is no base64.") from None
    _refuse_large(len(body), limits)
    made = at.uploads.created(NewUpload(filename=asked.filename, size=len(body), content_type=asked.content_type))
    draft = Draft(at.uploads.draft(made.id), at.place.bounds(len(body)), ("sha256", "md5"))
    try:
        draft.write([body])
        received = draft.finished()
    except BaseException:
        draft.dropped()
        raise
    at.uploads.taken(made.id, received)
    sent = sent.model_copy(update={"checksum": received.digests["md5"], "size": received.size})
    return InputRequest(upload_id=made.id, filename=made.filename, metadata=sent.data)


def _output(asked: NewInput, at: At, limits: Limits, sent: Sent) -> InputRequest:
    """An earlier output: its file becomes an upload, so that it is there as long as this job needs it."""
    with about("source"):
        try:
            at.jobs.shown(at.outputs.shown(asked.source).owned.output.job_id)  # at this door
        except NotFound:
            raise NotFound(f"There is no output {asked.source[:60]!r}.") from None
        found = at.outputs.own(asked.source)
        _refuse_large(found.size, limits)
        try:
            looked_at(at.place, found, sent=True)
        except OSError:
            raise NotFound(f"{found.name} is gone.") from None
    name = asked.filename or found.name
    upload = as_upload(at.uploads, found.path, NewUpload(filename=name, size=found.size), found.sha256)
    sent = sent.model_copy(update={"size": found.size})
    return InputRequest(upload_id=upload.id, filename=upload.filename, metadata=sent.data)


def _refuse_large(size: int, limits: Limits) -> None:
    if limits.max_input_bytes is not None and size > limits.max_input_bytes:
        raise over_limit(f"The file has {size} bytes; the job's limits allow {limits.max_input_bytes}.")
