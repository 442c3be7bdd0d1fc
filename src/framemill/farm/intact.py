"""Whether a blob is what was written: its size and hash, against the facts that were written beside it."""

import contextlib
import os
from pathlib import Path

from pydantic import ValidationError

from framemill.jobs.settings import Value
from framemill.media.chunkfile import ChunkFacts
from framemill.media.damage import Complaints
from framemill.storage.blobs import Blobs
from framemill.storage.local import sha256_of


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


def intact_chunk(blobs: Blobs, key: str) -> ChunkFacts | None:
    """The facts of a chunk that is there, whole and undamaged; else None."""
    try:
        facts = ChunkFacts.model_validate_json(blobs.read(facts_blob(key)))
    except (OSError, ValidationError):
        return None
    return facts if blobs.same(chunk_blob(key), facts.size, facts.sha256) else None


def intact_extra(blobs: Blobs, key: str) -> ExtraFacts | None:
    """The facts of an extra that is there, whole and undamaged; else None. It counts as used from now on."""
    try:
        facts = ExtraFacts.model_validate_json(blobs.read(extra_facts_blob(key)))
    except (OSError, ValidationError):
        return None
    if not blobs.same(key, facts.size, facts.sha256):
        return None
    note_use(blobs, key, extra_facts_blob(key))
    return facts


def keep_chunk(blobs: Blobs, draft: Path, key: str, facts: ChunkFacts) -> ChunkFacts:
    """Make a draft the chunk; the facts of what is kept, which may be what somebody else has encoded."""
    kept = blobs.commit(draft, chunk_blob(key), facts_blob(key), facts.model_dump_json().encode())
    return ChunkFacts.model_validate_json(kept)


def keep_extra(blobs: Blobs, draft: Path, key: str, complaints: Complaints = Complaints()) -> None:  # noqa: B008
    """Make a draft the extra, with what it is written down beside it."""
    facts = ExtraFacts(size=draft.stat().st_size, sha256=sha256_of(draft), complaints=complaints)
    blobs.commit(draft, key, extra_facts_blob(key), facts.model_dump_json().encode())


def note_use(blobs: Blobs, *keys: str) -> None:
    """They were used just now: what is used is thrown away last."""
    for key in keys:
        with contextlib.suppress(FileNotFoundError):
            os.utime(blobs.path(key))
