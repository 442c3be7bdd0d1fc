"""Sources that are small, and would become too large: told by what their headers say, before anything is decoded. Pure.

What a header does not tell is bounded where it is read: by time and memory of the process that reads it.
"""

import json
from collections.abc import Mapping
from typing import Any

from framemill.errors import SourceTooLarge

MOST_PIXELS = 1 << 27
"""Of one picture: 16K (15360x8640) has 133 million, of which a frame takes a gigabyte at 8 bytes each."""
MOST_STREAMS = 256
"""A transport stream of a whole multiplex has a hundred."""
MOST_FACTS = 4 << 20
"""Bytes of titles, chapters and tags: they are kept with the job, and shown. Ten thousand chapters have 2 MB."""


def refuse_bomb(facts: Mapping[str, Any], name: str) -> None:
    """Raise `SourceTooLarge` for a source with such facts. `name`: what messages call it."""
    streams = facts["streams"]
    if len(streams) > MOST_STREAMS:
        raise SourceTooLarge(f"{name} has {len(streams)} streams; up to {MOST_STREAMS} are taken.")
    for stream in streams:
        width, height = stream.get("width") or 0, stream.get("height") or 0
        if width * height > MOST_PIXELS:
            raise SourceTooLarge(f"{name} has pictures of {width}x{height}; up to {MOST_PIXELS} pixels are taken.")
    size = len(json.dumps(facts))
    if size > MOST_FACTS:
        raise SourceTooLarge(f"{name} tells {size} bytes of chapters and tags; up to {MOST_FACTS} are taken.")
