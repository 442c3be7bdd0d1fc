"""An output while it is written: a folder that nobody sees yet, and what writing it has used."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framemill.jobs.usage import Usage
from framemill.media.process import metered
from framemill.media.title import Title
from framemill.media.verify import VERIFY, VerifyRequest, decode_back
from framemill.storage.blobs import Blobs

CHILD_SECONDS = 6 * 3600.0
"""A joined terabyte is read and written twice."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One output on its way from chunks to a verified folder."""

    title: Title
    blobs: Blobs
    folder: Path
    full: bool
    """Decode what was written as well."""
    used: dict[str, Usage] = field(default_factory=dict)
    """By stage."""

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What the block's children use goes to that stage."""
        with metered() as meter:
            yield
        self.used[name] = self.used.get(name, Usage()) + meter.usage

    def player(self, rendition: int) -> tuple[int, int] | None:
        """(bits per second, bits) of the player that a rendition promises enough to; none: it promises nothing."""
        if self.title.film is None:
            return None
        rate = self.title.film.pictures[rendition].rate
        return None if rate.maxrate is None or rate.bufsize is None else (rate.maxrate, rate.bufsize)

    async def gate(self, request: VerifyRequest) -> dict[str, Any]:
        """Read one file or playlist back: its packets always, its frames and samples where that was asked for."""
        with self.stage("verify"):
            proof = await VERIFY(request, timeout=CHILD_SECONDS)
            told = proof.model_dump()
            if self.full:
                told["decoded"] = (await decode_back(request.path, proof)).model_dump()
        return told
