"""Inputs from what a client asks for: checked, and with what is secret in them sealed."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from framemill.errors import OverLimit, WrongUse
from framemill.jobs.accounts import DEFAULT_ACCOUNT
from framemill.jobs.model import UNUSABLE, Input, Limits
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import Value
from framemill.jobs.settings.times import Seconds
from framemill.jobs.states import INPUT_TRANSITIONS, FetchFailed, InputState, advance
from framemill.jobs.uploads import uri_of
from framemill.secrets import mask_url
from framemill.services.desk import Desk, Opener, way_of
from framemill.services.fields import about
from framemill.services.parts import known_part
from framemill.services.requests import existing
from framemill.storage.access import Access
from framemill.storage.address import Address, address_of
from framemill.storage.keyring import way_to

MOST_INPUTS = 100


class InputRequest(Value):
    """A source that a client names."""

    id: str | None = None
    """Of an input that the job has already, when a held job is edited: what was fetched of it stays."""
    uri: str = ""
    """An absolute path on the farm's machine, or a URI as `storage.address` knows it; empty only where another one
    stays."""
    credentials: str | Access | None = None
    """What opens it: the name of credentials in the settings, or these themselves; none: the URI says it all."""
    upload_id: str | None = None
    """Of an upload that is the source; instead of `uri`."""
    like: str | None = None
    """Id of an input of another job of the account, whose source is this one's, too; instead of `uri`."""
    unusable: str = ""
    """Why there is nothing to fetch, where a door knows that and has to take it all the same: the input fails then."""
    filename: str | None = None
    start: Seconds | None = None
    """Seconds from its first picture where it begins to be shown; none: there."""
    end: Seconds | None = None
    """Where it ends to be shown; none: with its last picture."""
    read_once: bool = False
    size: int | None = Field(default=None, ge=0)
    """Bytes, about: to tell how far it is where its server does not say how many there are."""
    metadata: Mapping[str, Any] = {}


_WHERE = {"id", "uri", "credentials", "upload_id", "like", "unusable", "size"}


def inputs_of(
    job_id: str,
    wanted: Sequence[InputRequest],
    known: Mapping[str, Input] | None = None,
    *,
    account: str = DEFAULT_ACCOUNT,
    desk: Desk | None = None,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
) -> list[Input]:
    """The inputs that are asked for, in order; one that is `known` under its id keeps what was found of it.

    No desk: nothing can be sealed, so no secret is taken. Raises as `new_job` does.
    """
    require_room(len(wanted), limits)
    made = []
    for position, one in enumerate(wanted):
        with about(f"inputs.{position}"):
            before = known_part(one.id, known or {})
            made.append(input_of(job_id, one, position, before, account=account, desk=desk))
    return made


def require_room(count: int, limits: Limits) -> None:
    """Raise `WrongUse` for more inputs than any job takes, and `OverLimit` for more than this one may have."""
    with about("inputs"):
        if count > MOST_INPUTS:
            raise WrongUse(f"A job takes up to {MOST_INPUTS} inputs, not {count}.")
        if limits.max_inputs is not None and count > limits.max_inputs:
            raise OverLimit(f"The job may have {limits.max_inputs} inputs by its own limits, not {count}.")


def input_of(
    job_id: str,
    wanted: InputRequest,
    position: int,
    before: Input | None = None,
    *,
    account: str = DEFAULT_ACCOUNT,
    desk: Desk | None = None,
) -> Input:
    """One input that is asked for; where it was there `before` with the same address, what was found of it stays."""
    plain = {**wanted.model_dump(exclude=_WHERE), "position": position}
    if wanted.end is not None and wanted.end <= (wanted.start or 0):
        with about("end"):
            raise WrongUse("The input would end before it begins: set start and end.")
    asked = _asked(wanted)
    if before is not None and _is_same(before, asked, wanted.credentials, desk):
        return before.model_copy(update=plain)
    if wanted.unusable:
        failed = FetchFailed(Reason.SOURCE_REFUSED, wanted.unusable)
        state = advance(INPUT_TRANSITIONS, InputState.WAITING, failed)
        why: dict[str, Any] = {"state": state, "reason": failed.reason, "message": failed.message}
        return Input(job_id=job_id, uri=asked, **why, **plain)
    if wanted.upload_id is not None:
        return Input(job_id=job_id, uri=asked, upload_id=wanted.upload_id, **plain)
    with about("uri"):
        uri = source_uri(wanted.uri)
    opener = wanted.credentials
    if opener is None and before is not None and _store_of(before.uri) == _store_of(uri):
        opener = _opener_of(before, desk)
    with about("credentials" if opener is not None else "uri"):
        way = way_of(uri, opener, account, desk)
    return Input(job_id=job_id, size=wanted.size, **way.model_dump(exclude={"account"}), **plain)


def input_changed(before: Input, changes: InputRequest) -> InputRequest:
    """An input as it shall be: what is set in `changes`, else as it was."""
    plain = {name: getattr(before, name) for name in ("uri", "filename", "start", "end", "read_once", "metadata")}
    return InputRequest(**{**plain, **changes.model_dump(exclude_unset=True), "id": before.id})


def source_uri(uri: str) -> str:
    """The URI as the farm fetches it; a local source is looked at. Raises `WrongUse`, or a `SourceError`'s kind."""
    address = address_of(uri)
    if not address.remote:
        return existing(address.path)
    if address.folder and address.scheme not in _NO_FOLDERS:
        raise WrongUse(f"{address} is a folder: name a file in it, or make a job of each by POST /v1/jobs/from-folder.")
    return address.scheme + uri[uri.index("://") :]  # whichever way it was written


_NO_FOLDERS = frozenset({"http", "https", "gdrive"})
"""What a slash at the end means there is up to the server; files of Drive have ids, and no paths."""


def _asked(wanted: InputRequest) -> str:
    if wanted.unusable:
        # Nobody has looked whether it may be fetched, so what is stored must never be an address.
        return UNUSABLE + mask_url(wanted.uri).lstrip("/")
    return wanted.uri if wanted.upload_id is None else uri_of(wanted.upload_id)


def _is_same(before: Input, uri: str, opener: Opener | None, desk: Desk | None) -> bool:
    """Whether that names what was there already."""
    if uri != before.uri and (desk is None or uri != desk.keyring.uri(way_to(before, ""))):
        return False
    if opener is None or opener == before.credentials:
        return True
    if isinstance(opener, str) or before.sealed_access is None:
        return False
    return opener == _opener_of(before, desk)


def _opener_of(before: Input, desk: Desk | None) -> Opener | None:
    if before.credentials is not None or desk is None:
        return before.credentials
    return desk.keyring.access(way_to(before, ""))


def _store_of(uri: str) -> tuple[str, str] | None:
    try:
        address: Address = address_of(uri)
    except WrongUse:  # an upload
        return None
    return (address.scheme, address.host) if address.remote else None
