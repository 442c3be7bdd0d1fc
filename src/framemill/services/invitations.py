"""Login links. Apart from sessions, so that whoever prints one needs nothing of the store."""

from framemill.jobs.model import new_id
from framemill.sealing import Seals

PURPOSE = "login"
LINK_SECONDS = 600
"""A login link is good for ten minutes, once: less than `KEEP_SESSIONS`, or it would be again."""


def login_link(seals: Seals, subject: str = "admin") -> str:
    """A token for a link that logs in once: `admin`, or `user:ID`."""
    return seals.signed(PURPOSE, {"id": new_id(), "subject": subject})
