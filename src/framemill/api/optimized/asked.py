"""What this door's routes are handed."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller
from framemill.api.idempotency import TheIds
from framemill.api.optimized.options import Options, options_of
from framemill.api.optimized.shelf import Shelf
from framemill.api.parts import ApiParts
from framemill.services.jobs import Jobs

NAME = "optimized"
"""Of this door."""
MOUNT = "/optimized"
"""Where its clients look for it."""


def options_in(parts: ApiParts) -> Options:
    """As the operator has set them."""
    return options_of(parts.doors.get(NAME, {}))


async def _shelf(parts: Parts, caller: TheCaller, ids: TheIds) -> Shelf:
    # What is fetched is at the one address that the operator has named, so that may be in any network.
    desk = replace(parts.desk, trusted=True)
    jobs = Jobs(parts.database, parts.nudge, caller=caller, door=NAME, ids=ids, desk=desk)
    return Shelf(parts.database, jobs, parts.seals, options_in(parts))


TheShelf = Annotated[Shelf, Depends(_shelf)]
