"""From the services' values to the words of `/v1` about accounts. Pure."""

from framemill.api.native import account_schemas as schemas
from framemill.jobs import accounts as values
from framemill.services.callers import SCOPES
from framemill.services.sessions import Opened
from framemill.services.usage import Day


def key(one: values.Key) -> schemas.Key:
    """A key."""
    return schemas.Key.model_validate(one.model_dump(exclude={"hash"}))


def made_key(one: values.Key, secret: str) -> schemas.MadeKey:
    """A new key, told once."""
    return schemas.MadeKey.model_validate({**one.model_dump(exclude={"hash"}), "key": secret})


def account(one: values.Account) -> schemas.Account:
    """An account."""
    return schemas.Account.model_validate({**one.model_dump(), "available": one.available})


def entry(one: values.Entry) -> schemas.Entry:
    """A line of the ledger."""
    return schemas.Entry.model_validate(one.model_dump())


def user(one: values.User) -> schemas.User:
    """A user, without their password's hash."""
    return schemas.User.model_validate(one.model_dump(exclude={"password_hash", "sessions_from"}))


def session(one: Opened) -> schemas.Session:
    """A session, with what opens it."""
    return schemas.Session(
        id=one.session.id,
        token=one.token,
        token_expires_at=one.token_expires_at,
        refresh_token=one.refresh_token,
        expires_at=one.session.expires_at,
        account=one.caller.account,
        scopes=tuple(scope for scope in SCOPES if scope in one.caller.scopes),
        admin=one.caller.admin,
    )


def used(one: Day) -> schemas.Used:
    """A day of an account."""
    told: dict[str, object] = {"account": one.account, "day": one.day}
    for kind, amount in one.used.items():
        if kind.endswith("_milliseconds"):
            told[kind.replace("_milliseconds", "_seconds")] = amount / 1000
        else:
            told[kind] = amount
    return schemas.Used.model_validate(told)


def audited(one: values.Audited) -> schemas.Audited:
    """A line of the audit trail."""
    return schemas.Audited.model_validate(one.model_dump())
