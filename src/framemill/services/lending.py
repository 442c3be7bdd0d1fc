"""What a cloud that lends machines to the farm can do, whichever it is: whoever manages machines is one of these."""

from collections.abc import Sequence
from typing import Protocol

from framemill.jobs.model import Utc
from framemill.jobs.settings import Value


class LentMachine(Value):
    """A machine that was made for the farm."""

    id: int
    name: str
    state: str
    """As the cloud says it: `new`, `active`."""
    size: str
    region: str
    """As people call it."""
    tags: tuple[str, ...]
    """They tell the farm's machines from the owner's others."""
    price_hourly: float
    price_monthly: float
    """In the cloud's currency."""
    created_at: Utc


class MachineSize(Value):
    """A kind of machine."""

    slug: str
    available: bool
    price_hourly: float
    price_monthly: float


class Region(Value):
    """A place where machines can be."""

    slug: str
    name: str
    sizes: tuple[str, ...]
    available: bool


class Network(Value):
    """A private network of the owner's."""

    id: str
    name: str


class Lender(Protocol):
    """The cloud. Each call blocks, and raises `FarmError` where the cloud refuses or does not answer."""

    @property
    def name(self) -> str:
        """As the APIs call it."""
        ...

    def machines(self) -> Sequence[LentMachine]:
        """The farm's own, and no other of the owner's."""
        ...

    def lend(self, size: str, region: str, count: int, tags: Sequence[str]) -> Sequence[int]:
        """Make machines of that size, marked so; their ids. `region`, empty: the usual one."""
        ...

    def give_back(self, machine_ids: Sequence[int]) -> Sequence[int]:
        """Destroy those of them that are the farm's own; which those were."""
        ...

    def regions(self) -> Sequence[Region]:
        """All there are."""
        ...

    def sizes(self) -> Sequence[MachineSize]:
        """All there are."""
        ...

    def networks(self) -> Sequence[Network]:
        """The owner's."""
        ...
