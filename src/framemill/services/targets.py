"""Where outputs shall be put, from what a client asks for: checked, and with what is secret in it sealed."""

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from framemill.errors import WrongUse
from framemill.jobs.model import IfExists, Target
from framemill.jobs.settings import Container, OutputSettings, Value
from framemill.services.desk import Desk, way_of
from framemill.services.fields import about
from framemill.services.requests import place_of
from framemill.storage.access import Access
from framemill.storage.address import Address, address_of
from framemill.storage.keyring import Way

MOST_TARGETS = 20

ACLS: Mapping[str, frozenset[str]] = {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
    "s3": frozenset(
        {"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read"}
        | {"bucket-owner-full-control"}
    ),
    # https://cloud.google.com/storage/docs/access-control/lists#predefined-acl
    "gs": frozenset(
        {"private", "public-read", "authenticated-read", "project-private", "bucket-owner-read"}
        | {"bucket-owner-full-control"}
    ),
}
"""The canned access rights that stores know, by the scheme of their addresses."""


class TargetRequest(Value):
    """A place that a client names for an output."""

    uri: str
    """An absolute path on the farm's machine, or a URI as `storage.address` knows it."""
    credentials: str | Access | None = None
    """What opens it: the name of credentials in the settings, or these themselves; none: the URI says it all."""
    if_exists: IfExists = "replace"
    acl: str | None = None
    container: Container | None = None
    """What the file is, whatever it is called; none: its suffix says so."""


def name_at(target: Target) -> str:
    """What an output is called that goes there."""
    address = address_of(target.uri)
    return PurePosixPath(address.path.rstrip("/")).name or address.host


def target_of(
    wanted: TargetRequest,
    settings: OutputSettings,
    before: Sequence[Target] = (),
    *,
    account: str,
    desk: Desk | None,
) -> Target:
    """One target of an output with these settings; what opened it `before` opens it still. Raises `WrongUse`."""
    with about("uri"):
        address = address_of(wanted.uri)
        if wanted.if_exists == "rename" and not address.path.strip("/"):
            raise WrongUse(f"{address} has no name that could be changed: name a folder, or set if_exists otherwise.")
    with about("acl"):
        _refuse_acl(wanted.acl, address)
    plain: dict[str, Any] = {"if_exists": wanted.if_exists, "acl": wanted.acl}
    if not address.remote:
        with about("credentials"):
            way_of(address.path, wanted.credentials, account, desk)
        return Target(uri=place_of(settings, os.path.abspath(address.path)), **plain)
    known = next((one for one in before if _is_same(one, wanted, desk)), None)
    if known is not None:
        return known.model_copy(update=plain)
    uri = place_of(settings, address.scheme + wanted.uri[wanted.uri.index("://") :])
    with about("uri" if wanted.credentials is None else "credentials"):
        way = way_of(uri, wanted.credentials, account, desk)
    return Target.model_validate({**way.model_dump(exclude={"account", "trusted"}), **plain})


def refuse_twice(targets: Sequence[Target], others: Sequence[Target] = ()) -> None:
    """Raise `WrongUse` where two outputs, or one twice, would go to one place."""
    there = {_place(one) for one in others}
    for position, one in enumerate(targets):
        if _place(one) in there:
            with about(f"targets.{position}" if len(targets) > 1 else "target"):
                raise WrongUse(f"{one.uri} is the target of two outputs; name another for one.")
        there.add(_place(one))


def way_to(target: Target, account: str) -> Way:
    """The way to a target of a job of that account."""
    fields = ("uri", "sealed_uri", "credentials", "sealed_access")
    return Way(account=account, **{name: getattr(target, name) for name in fields})


def _refuse_acl(acl: str | None, address: Address) -> None:
    if acl is None:
        return
    if address.scheme == "az":
        raise WrongUse("Azure's blobs have no access rights of their own: their container's access level counts.")
    known = ACLS.get(address.scheme)
    if known is None:
        raise WrongUse(f"{address.scheme}:// knows no canned access rights: leave acl away.")
    if acl not in known:
        raise WrongUse(f"{address.scheme}:// has no access rights {acl!r}: there are {', '.join(sorted(known))}.")


def _is_same(known: Target, wanted: TargetRequest, desk: Desk | None) -> bool:
    """Whether that names what was there already. Whoever sends back what they have read changes nothing."""
    way, opener = way_to(known, ""), wanted.credentials
    if wanted.uri != known.uri and (desk is None or wanted.uri != desk.keyring.uri(way)):
        return False
    if opener is None or opener == known.credentials:
        return True
    if isinstance(opener, str) or desk is None or known.sealed_access is None:
        return False
    access = desk.keyring.access(way)
    return opener == access or (opener.model_fields_set <= {"kind"} and getattr(access, "kind", "") == opener.kind)


def _place(target: Target) -> str:
    return str(address_of(target.uri))
