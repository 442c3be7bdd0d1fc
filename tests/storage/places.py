"""A place of a test's own in a store."""

from dataclasses import dataclass

from framemill.storage.access import Access
from framemill.storage.address import Address
from framemill.storage.base import Storage
from framemill.storage.opening import Patience, opened

PATIENCE = Patience(silence_seconds=5, retries=2, pause_seconds=0.05)


@dataclass(frozen=True)
class Place:
    """A folder, or a bucket, that nobody else uses."""

    root: Address
    """With a path that ends in a slash, or is empty."""
    access: Access | None = None

    def path(self, name: str) -> str:
        return self.root.path + name

    def storage(self) -> Storage:
        return opened(self.root, self.access, None, PATIENCE)
