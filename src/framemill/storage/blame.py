"""What a store says, said of the source that was asked of it."""

import contextlib
from collections.abc import Iterator, Mapping

from framemill.errors import (
    FramemillError,
    KeyRefused,
    SourceError,
    SourceMissing,
    SourceRefused,
    SourceUnreachable,
    StorageBroken,
    StorageError,
    StorageMissing,
    StorageUnreachable,
    WrongUse,
)
from framemill.secrets import mask
from framemill.storage.keyring import Keyring, Way

_KINDS: Mapping[type[FramemillError], type[SourceError]] = {
    StorageMissing: SourceMissing,
    StorageUnreachable: SourceUnreachable,
    StorageBroken: SourceUnreachable,
    StorageError: SourceRefused,
    KeyRefused: SourceRefused,
    WrongUse: SourceRefused,
}


@contextlib.contextmanager
def as_source(way: Way, keyring: Keyring) -> Iterator[None]:
    """What a store says in here is said of a source, and no secret of it."""
    try:
        yield
    except (StorageError, KeyRefused, WrongUse) as error:
        kind = next(_KINDS[each] for each in type(error).__mro__ if each in _KINDS)
        secrets: frozenset[str] = frozenset()
        with contextlib.suppress(FramemillError):
            secrets = keyring.entrance(way).secrets
        said = error.message if way.uri in error.message else f"{way.uri} could not be read: {error.message}"
        raise kind(mask(said, secrets)) from None
