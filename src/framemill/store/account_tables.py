"""The tables of who may ask: accounts, their keys, users and money; what they asked once already; what they did."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from framemill.store.columns import Json, Sequence, UtcDateTime, id_column, metadata

accounts = Table(
    "accounts",
    metadata,
    # `default`, a UUID, or what a door makes of its own users (`media:…`).
    Column("id", String(200), primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("quotas", Json, nullable=False),
    # Thousandths of a credit; no balance: nobody counts.
    Column("balance", BigInteger),
    Column("reserved", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("metadata", Json, nullable=False),
    CheckConstraint("reserved >= 0", name="accounts_reserve_what_is_there"),
)

keys = Table(
    "keys",
    metadata,
    id_column(),
    Column("account", String(200), ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    # SHA-256 of the key: keys are long and random, so nothing slower is needed.
    Column("hash", String(64), nullable=False, unique=True),
    Column("hint", String(20), nullable=False),
    Column("scopes", Json, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("used_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    # What of its scopes it may do, in the words of the door that it was made at; none: all of it.
    Column("narrowed", Json),
)

users = Table(
    "users",
    metadata,
    id_column(),
    Column("account", String(200), ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("email", String(320)),
    Column("role", String(20), nullable=False),
    # Argon2, with its parameters.
    Column("password_hash", Text),
    Column("disabled_at", UtcDateTime),
    # Sessions that began before are over.
    Column("sessions_from", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("metadata", Json, nullable=False),
    Index("users_by_name", "name", unique=True),
    Index("users_by_email", "email", unique=True),
)

# Who is logged in. A login link has the id of the session that it opens, so it opens one and no second.
sessions = Table(
    "sessions",
    metadata,
    id_column(),
    # `user:ID`, or `admin`.
    Column("subject", String(200), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("ended_at", UtcDateTime),
)

ledger = Table(
    "ledger",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("account", String(200), ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(20), nullable=False),
    # Thousandths of a credit, as they change the balance and what is reserved of it.
    Column("amount", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("balance_after", BigInteger),
    # What it was for: a job, or a reservation by hand.
    Column("reference", String(200)),
    Column("note", Text),
    Index("ledger_by_account", "account", "seq"),
    Index("ledger_by_reference", "account", "reference"),
    sqlite_autoincrement=True,
)

reservations = Table(
    "reservations",
    metadata,
    Column("account", String(200), ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("reference", String(200), primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, index=True),
)

# Who holds a private key signs with it what shall be played, and for how long; the farm has the public one alone.
signing_keys = Table(
    "signing_keys",
    metadata,
    id_column(),
    Column("account", String(200), ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    # PEM.
    Column("public_key", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

# What an account used, a day: kept up when things happen, since nobody could count ended jobs each time.
usage = Table(
    "usage",
    metadata,
    Column("account", String(200), primary_key=True),
    # As 2026-11-21, in UTC.
    Column("day", String(10), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account", String(200), primary_key=True),
    Column("key", String(255), primary_key=True),
    # HMAC-SHA-256 of method, path and body, which may hold a password.
    Column("request_hash", String(64), nullable=False),
    # Who is at it, since when; its answer comes with `status`. None: whoever was has given up.
    Column("holder", String(36)),
    Column("held_at", UtcDateTime, nullable=False),
    # The id of what is made, however often it is tried: what a lost try has made is found by the next.
    Column("made_id", String(36), nullable=False),
    Column("status", Integer),
    Column("headers", Json, nullable=False),
    # Sealed: it may hold a new key, which is stored nowhere else.
    Column("body", LargeBinary),
    Column("created_at", UtcDateTime, nullable=False, index=True),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("account", String(200), nullable=False),
    # `admin`, `key:ID`, `user:ID`, `cli`.
    Column("actor", String(250), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(250), nullable=False),
    Column("request_id", String(128)),
    Column("data", Json, nullable=False),
    Index("audit_by_account", "account", "seq"),
    sqlite_autoincrement=True,
)
