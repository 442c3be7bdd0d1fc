"""What answers of object stores mean, in the words that all of them share: the error of ours, and its sentence."""

from typing import TypeAlias

from framemill.errors import StorageError, StorageExists, StorageFull, StorageRefused, StorageUnreachable

Meaning: TypeAlias = tuple[type[StorageError], str]
"""The sentence may hold `{status}` and `{said}`, the store's own code, and `{who}` may not `{doing}` it."""

EXISTS: Meaning = (StorageExists, "there is one already. Name another, or have it replaced.")
NO_ROOM: Meaning = (StorageFull, "the store takes no more ({said}): free some room there, or have its quota raised.")
TROUBLE: Meaning = (StorageUnreachable, "the store is in trouble ({status}, {said}). Try again later.")
ARCHIVED: Meaning = (StorageRefused, "it is archived: have it restored first.")


def who_asks(*, anonymous: bool) -> str:
    """Whom the store did not let in."""
    return "somebody without credentials" if anonymous else "these credentials"
