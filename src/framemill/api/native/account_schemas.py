"""The words of `/v1` about who may ask: keys, accounts, users, sessions, money, usage, the audit trail.

Money is in thousandths of a credit, as everywhere.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from framemill.api.native.words import Asked, Told
from framemill.api.strict import Free, Text, exactly
from framemill.jobs.accounts import Quotas, Role
from framemill.services.callers import Scope

Name = Annotated[Text, Field(min_length=1, max_length=200)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}$")]
"""Of an account."""
Address = Annotated[Text, Field(min_length=3, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]
Password = Annotated[Text, Field(min_length=8, max_length=1024)]
Amount = Annotated[int, Field(ge=1, le=10**15)]
"""Thousandths of a credit."""
Reference = Annotated[Text, Field(min_length=1, max_length=200)]


# Keys


AskedQuotas = Annotated[Quotas, exactly(Quotas)]


class NewKey(Asked):
    """A key to be made."""

    name: Name
    account: Id | None = None
    """Whose it is; an admin may say another than their own."""
    scopes: tuple[Scope, ...] | None = Field(default=None, min_length=1)
    """None: whatever an account may do."""
    expires_in_days: float | None = Field(default=None, gt=0, le=3650)
    """None: it does not expire."""


class Key(Told):
    """A key, without what it opens with."""

    id: str
    account: str
    name: str
    hint: str
    """Its first characters."""
    scopes: tuple[str, ...]
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    """When it was used last, give or take five minutes."""
    created_at: datetime


class MadeKey(Key):
    """A key that was just made."""

    key: str
    """What it opens with: told now, and never again."""


class Keys(Told):
    """Keys, newest first."""

    data: tuple[Key, ...]
    next_cursor: str | None = None


# Accounts


class NewAccount(Asked):
    """An account to be made."""

    name: Name
    id: Id | None = None
    """None: one is made up."""
    quotas: AskedQuotas = Quotas()
    """What is left out has no limit."""
    balance: int | None = Field(default=None, ge=0, le=10**15)
    """Thousandths of a credit; none: nobody counts."""
    metadata: Free = Field(default_factory=dict)


class ChangedAccount(Asked):
    """What is to be another; what is left out stays."""

    name: Name | None = None
    state: Literal["active", "suspended"] | None = None
    """A suspended account's keys and users are refused; its jobs go on."""
    quotas: AskedQuotas | None = None
    """Those that are to be another; null: no limit."""
    metadata: Free | None = None


class Account(Told):
    """An account."""

    id: str
    name: str
    state: str
    quotas: Quotas
    balance: int | None = None
    """Thousandths of a credit; none: nobody counts."""
    reserved: int = 0
    """Of the balance, what is set aside."""
    available: int | None = None
    """The rest of it."""
    created_at: datetime
    metadata: dict[str, Any]


class Accounts(Told):
    """Accounts, in the order of their ids."""

    data: tuple[Account, ...]
    next_cursor: str | None = None


# Money


class Deposit(Asked):
    """What is put on an account, or taken off it."""

    amount: Amount
    note: Annotated[Text, Field(max_length=1000)] | None = None


class Reservation(Asked):
    """What is set aside."""

    reference: Reference
    """What it is for: a job's id, or a word of yours."""
    amount: Amount
    expires_in_seconds: float = Field(default=7 * 86_400, gt=0, le=366 * 86_400)
    """When it is released by itself."""


class Release(Asked):
    """What is set aside no longer."""

    reference: Reference
    amount: Amount | None = None
    """None: all that is under the reference."""


class Deduction(Asked):
    """What is taken."""

    reference: Reference
    """First of what is set aside under it."""
    amount: Amount
    note: Annotated[Text, Field(max_length=1000)] | None = None


class Entry(Told):
    """A line of the ledger."""

    seq: int
    at: datetime
    kind: str
    amount: int
    """As it changed the balance."""
    reserved: int
    """As it changed what is reserved."""
    balance_after: int | None = None
    reference: str | None = None
    note: str | None = None


class Entries(Told):
    """Lines of the ledger, newest first."""

    data: tuple[Entry, ...]
    next_cursor: int | None = None


# Users and sessions


class NewUser(Asked):
    """A user to be made."""

    name: Name
    email: Address | None = None
    password: Password | None = None
    """None: only a login link opens."""
    role: Role = "guest"
    account: Id = "default"
    metadata: Free = Field(default_factory=dict)


class ChangedUser(Asked):
    """What is to be another; what is left out stays."""

    name: Name | None = None
    email: Address | None = None
    password: Password | None = None
    """Whoever is logged in as that user is logged out."""
    role: Role | None = None
    account: Id | None = None
    disabled: bool | None = None
    metadata: Free | None = None


class ChangedPassword(Asked):
    """One's own."""

    current: Annotated[Text, Field(max_length=1024)]
    new: Password


class User(Told):
    """A user."""

    id: str
    account: str
    name: str
    email: str | None = None
    role: str
    disabled_at: datetime | None = None
    created_at: datetime
    metadata: dict[str, Any]


class Users(Told):
    """Users, newest first."""

    data: tuple[User, ...]
    next_cursor: str | None = None


class Login(Asked):
    """Who is there."""

    name: Annotated[Text, Field(min_length=1, max_length=320)]
    """Of the user, or their email address."""
    password: Annotated[Text, Field(max_length=1024)]


class Refresh(Asked):
    """A session that shall last."""

    refresh_token: Annotated[Text, Field(max_length=4096)]


class Session(Told):
    """Somebody who is logged in."""

    id: str
    token: str
    """Opens what the user may do, as `Authorization: Bearer TOKEN`."""
    token_expires_at: datetime
    refresh_token: str
    """For another token."""
    expires_at: datetime
    """Until then the session can be refreshed."""
    account: str
    scopes: tuple[str, ...]
    admin: bool


# Usage and the audit trail


class Used(Told):
    """What an account used on a day, UTC."""

    account: str
    day: date
    jobs_submitted: int = 0
    jobs_completed: int = 0
    jobs_failed: int = 0
    jobs_cancelled: int = 0
    outputs: int = 0
    output_seconds: float = 0
    """Of outputs of jobs that completed."""
    output_bytes: int = 0
    uploaded_bytes: int = 0
    cpu_seconds: float = 0
    credits: int = 0
    """Thousandths of a credit."""


class Usage(Told):
    """What was used, by day and account."""

    data: tuple[Used, ...]


class Audited(Told):
    """Something that somebody did."""

    seq: int
    at: datetime
    account: str
    """Whose thing it was done to."""
    actor: str
    """`admin`, `key:ID`, `user:ID`, `cli`."""
    action: str
    subject: str
    request_id: str | None = None
    data: dict[str, Any]


class Audit(Told):
    """What was done, newest first."""

    data: tuple[Audited, ...]
    next_cursor: int | None = None
