"""Whether a blob is what was written: its size and hash, against the facts that were written beside it."""

import contextlib
import hashlib
import os
from pathlib import Path

from pydantic import ValidationError

from framemill.jobs.settings import Value
from framemill.media.chunkfile import ChunkFacts
from framemill.media.damage import Complaints
from framemill.storage.local import LocalBlobs


def chunk_blob(key: str) -> str:
    """Where an encoded chunk is kept."""
    return f"chunks/{key}.mp4"


def facts_blob(key: str) -> str:
    """Where the facts of an encoded chunk are kept."""
    return f"chunks/{key}.json"


class ExtraFacts(Value):
    """What was written of a sound, a text or a remux."""

    size: int
    """Bytes."""
    sha256: str
    complaints: Complaints = Complaints()
    """What the decoder had to say of the source; a job that refuses damage refuses it, whoever has encoded it."""


def extra_facts_blob(key: str) -> str:
    """Where the facts of an extra are kept."""
    return f"{key}.json"


def intact_chunk(blobs: LocalBlobs, key: str) -> ChunkFacts | None:
    """The facts of a chunk that is there, whole and undamaged; else None."""
    try:
        facts = ChunkFacts.model_validate_json(blobs.read(facts_blob(key)))
    except (OSError, ValidationError):
        return None
    return facts if _same(blobs.path(chunk_blob(key)), facts.size, facts.sha256) else None


def intact_extra(blobs: LocalBlobs, key: str) -> ExtraFacts | None:
    """The facts of an extra that is there, whole and undamaged; else None. It counts as used from now on."""
    try:
        facts = ExtraFacts.model_validate_json(blobs.read(extra_facts_blob(key)))
    except (OSError, ValidationError):
        return None
    if not _same(blobs.path(key), facts.size, facts.sha256):
        return None
    note_use(blobs, key, extra_facts_blob(key))
    return facts


def note_extra(blobs: LocalBlobs, draft: Path, key: str, complaints: Complaints = Complaints()) -> None:  # noqa: B008
    """Write down what the draft of an extra is, before it is kept."""
    facts = ExtraFacts(size=draft.stat().st_size, sha256=_sha256(draft), complaints=complaints)
    blobs.write(extra_facts_blob(key), facts.model_dump_json().encode())


def note_use(blobs: LocalBlobs, *keys: str) -> None:
    """They were used just now: what is used is thrown away last."""
    for key in keys:
        with contextlib.suppress(FileNotFoundError):
            os.utime(blobs.path(key))


def _same(path: Path, size: int, sha256: str) -> bool:
    try:
        return path.stat().st_size == size and _sha256(path) == sha256
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
