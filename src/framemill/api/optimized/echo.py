"""What a client posts along with its wish, and is told again as it came: the film's item.

It is kept sealed. The media server writes URLs with the user's own token into items, and whoever has posted one is told
it letter by letter, so nothing in it can be masked.
"""

import json
from typing import Any

from framemill.api.optimized.note import Note
from framemill.errors import KeyRefused, TooLarge
from framemill.sealing import Seals

MOST_BYTES = 2 << 20
"""Of an item, as JSON."""


def sealed_item(item: Any, seals: Seals) -> str:
    """As it is kept; empty: there is none. Raises `TooLarge`."""
    if item is None:
        return ""
    written = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    size = len(written.encode())
    if size > MOST_BYTES:
        raise TooLarge(f"item: it has {size} bytes, and {MOST_BYTES >> 20} MiB are taken at most: leave something out.")
    return seals.seal(written)


def item_of(note: Note, seals: Seals) -> Any:
    """As it came; none where it was sealed with another secret."""
    if not note.sealed_item:
        return note.item
    try:
        return json.loads(seals.opened(note.sealed_item))
    except KeyRefused:
        return None
