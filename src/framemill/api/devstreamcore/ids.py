"""Ids as DevStreamCore writes them: a word for the kind, and twenty hexadecimal digits. Pure."""

import hashlib
import re
from uuid import UUID

from framemill.errors import NotFound
from framemill.jobs.videos import digits_of, long_id, short_id
from framemill.services.idempotency import Ids

SIGNING_KEY = "key_"
"""What ids of signing keys begin with, as tokens name them."""

_DIGITS = re.compile(r"[0-9a-f]{20}")
_ALL_DIGITS = re.compile(r"[0-9a-f]{32}")


def upload_id(ours: str) -> str:
    """`up_…` of an upload's id."""
    return f"up_{digits_of(ours)}"


def upload_of(theirs: str) -> str:
    """The upload that `up_…` is. Raises `NotFound` for what is no such id."""
    return long_id(_digits(theirs, "up_", "upload"))


def video_id(ours: str) -> str:
    """`vid_…` of a video's id."""
    return f"vid_{ours}"


def video_of(theirs: str) -> str:
    """The video that `vid_…` is. Raises `NotFound` for what is no such id."""
    return _digits(theirs, "vid_", "video")


def playback_id(ours: str) -> str:
    """`play_…` of a playback's id."""
    return f"play_{ours}"


def playback_of(theirs: str) -> str:
    """The playback that `play_…` is. Raises `NotFound` for what is no such id."""
    return _digits(theirs, "play_", "playback id")


def signing_key_id(ours: str) -> str:
    """`key_…` of a signing key's id."""
    return f"{SIGNING_KEY}{ours}"


def signing_key_of(theirs: str) -> str:
    """The signing key that `key_…` is. Raises `NotFound` for what is no such id."""
    return _digits(theirs, SIGNING_KEY, "signing key")


def webhook_id(ours: str) -> str:
    """`wh_…` of a webhook's id."""
    return f"wh_{UUID(ours).hex}"


def webhook_of(theirs: str) -> str:
    """The webhook that `wh_…` is. Raises `NotFound` for what is no such id."""
    digits = theirs.removeprefix("wh_")
    if digits == theirs or not _ALL_DIGITS.fullmatch(digits):
        raise NotFound(f"There is no webhook {theirs!r}.")
    return str(UUID(digits))


def event_id(job_id: str, number: int) -> str:
    """`evt_…` of an event of a job: the same for whoever hears of it, as often as it is told."""
    return f"evt_{hashlib.sha256(f'{job_id}:{number}'.encode()).hexdigest()[:20]}"


def _digits(theirs: str, word: str, kind: str) -> str:
    digits = theirs.removeprefix(word)
    if digits == theirs or not _DIGITS.fullmatch(digits):
        raise NotFound(f"There is no {kind} {theirs!r}.")
    return digits


class UploadIds(Ids):
    """Ids of uploads that can be written in twenty digits, and found by them."""

    def __init__(self, ids: Ids) -> None:
        super().__init__()
        self._ids = ids

    @property
    def again(self) -> bool:
        """As those that they are made of."""
        return self._ids.again

    def __call__(self) -> str:
        """The next one."""
        return long_id(short_id(self._ids()))
