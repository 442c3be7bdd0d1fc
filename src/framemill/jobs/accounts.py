"""Who jobs belong to: accounts with what they may use, their keys, users and money. Frozen values, as they are stored.

Money is in thousandths of a credit, as in `metering`. Nothing here reads a clock.
"""

from typing import Any, Literal, TypeAlias

from pydantic import Field

from framemill.jobs.model import Utc, new_id
from framemill.jobs.settings import Value

Role: TypeAlias = Literal["guest", "operator", "admin"]
EntryKind: TypeAlias = Literal["deposit", "deduct", "charge", "refund", "reserve", "release", "expire", "close"]


DEFAULT_ACCOUNT = "default"
"""The account of the farm's owner, and of whoever came without one. It is there from the start."""


class Quotas(Value):
    """What an account may use at most; none: as much as there is."""

    jobs_per_day: int | None = Field(default=None, ge=0)
    """Jobs submitted from midnight to midnight, UTC."""
    active_jobs: int | None = Field(default=None, ge=1)
    """Jobs that are worked on at once; others wait meanwhile, and nothing is refused."""
    queued_jobs: int | None = Field(default=None, ge=0)
    """Jobs that have not ended, held ones too; one more is refused."""
    max_priority: int | None = Field(default=None, ge=-1_000_000, le=1_000_000)
    """Highest priority of a job."""
    max_outputs: int | None = Field(default=None, ge=1)
    """Outputs of a job."""
    max_input_bytes: int | None = Field(default=None, ge=1)
    """Size of a source."""
    max_input_seconds: float | None = Field(default=None, gt=0)
    """Length of a source."""
    max_process_seconds: float | None = Field(default=None, gt=0)
    """Seconds from the start of a job's work to its end."""
    upload_bytes: int | None = Field(default=None, ge=0)
    """Size of an upload."""
    upload_bytes_per_day: int | None = Field(default=None, ge=0)
    """Bytes of all uploads from midnight to midnight, UTC."""
    concurrent_uploads: int | None = Field(default=None, ge=0)
    """Uploads that are under way at once."""
    stored_bytes: int | None = Field(default=None, ge=0)
    """Uploads that lie here."""
    encode_minutes_per_month: float | None = Field(default=None, ge=0)
    """Minutes of the sources of jobs that completed in a calendar month, UTC, or are under way."""
    kept_minutes: float | None = Field(default=None, ge=0)
    """Minutes of the sources whose outputs are kept here, or are under way."""
    views_per_month: int | None = Field(default=None, ge=0)
    """Times that playing of an output began in a calendar month, UTC: with more, no new job is taken, and what is there
    is played on."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Of all keys and users of the account together, counted by each API replica for itself."""
    requests_per_minute_per_key: int | None = Field(default=None, ge=1)
    """Of each key, counted by each API replica for itself."""


class Account(Value):
    """Whose things are whose."""

    id: str = Field(default_factory=new_id)
    name: str
    state: Literal["active", "suspended"] = "active"
    """A suspended account's keys and users are refused; its jobs go on."""
    quotas: Quotas = Quotas()
    balance: int | None = None
    """Thousandths of a credit; none: nobody counts."""
    reserved: int = Field(default=0, ge=0)
    """Of the balance, what is set aside for jobs and by hand."""
    version: int = Field(default=1, ge=1)
    created_at: Utc
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def available(self) -> int | None:
        """What may be spent or reserved; none: nobody counts. Below 0 where a job cost more than was there."""
        return None if self.balance is None else self.balance - self.reserved


class Key(Value):
    """What opens an account; the key itself was shown once and is nowhere."""

    id: str = Field(default_factory=new_id)
    account: str
    name: str
    hash: str
    hint: str
    """Its first characters, to tell it from others."""
    scopes: tuple[str, ...]
    narrowed: tuple[str, ...] | None = None
    """What of that it may do, in the words of the door that it was made at; none: all of it."""
    expires_at: Utc | None = None
    revoked_at: Utc | None = None
    used_at: Utc | None = None
    """About when it was used last: written every few minutes, not at every request."""
    created_at: Utc


class SigningKey(Value):
    """A public key: whoever has the private one says by it who may play what, and for how long."""

    id: str = Field(default_factory=new_id)
    account: str
    public_key: str
    """RSA, as PEM."""
    created_at: Utc
    revoked_at: Utc | None = None
    """What it has signed opens nothing since."""


class User(Value):
    """A person with a password."""

    id: str = Field(default_factory=new_id)
    account: str
    name: str
    email: str | None = None
    role: Role = "guest"
    password_hash: str | None = None
    """Argon2, with its parameters; none: nobody can log in with a password."""
    disabled_at: Utc | None = None
    sessions_from: Utc
    """Sessions that began before are over."""
    created_at: Utc
    metadata: dict[str, Any] = Field(default_factory=dict)


class Session(Value):
    """Somebody who is logged in."""

    id: str = Field(default_factory=new_id)
    subject: str
    """`user:ID`, or `admin`: whoever followed a link that the farm's owner was given."""
    created_at: Utc
    expires_at: Utc
    """Until then it can be made to last; the token in hand is good for a shorter time."""
    ended_at: Utc | None = None


class Entry(Value):
    """A line of an account's ledger, written once: the sum of all is the balance, and what is reserved of it."""

    seq: int
    account: str
    at: Utc
    kind: EntryKind
    amount: int
    """Thousandths of a credit, as they change the balance."""
    reserved: int
    """As they change what is reserved of it."""
    balance_after: int | None
    reference: str | None = None
    """What it was for: a job, or a reservation by hand."""
    note: str | None = None


class Reservation(Value):
    """What is set aside of a balance."""

    account: str
    reference: str
    amount: int = Field(ge=0)
    created_at: Utc
    expires_at: Utc | None = None


class Audited(Value):
    """Something that somebody did with the farm, an account, a key or a user."""

    seq: int
    at: Utc
    account: str
    """Whose thing it was done to."""
    actor: str
    """`admin`, `key:ID`, `user:ID`, `cli`."""
    action: str
    """As `key.created`."""
    subject: str
    request_id: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
