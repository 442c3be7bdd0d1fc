"""The door: its routes, its refusals, how it tells the world."""

from framemill.api.door import Door
from framemill.api.openencoder import auth, facts, jobs, machines, presets, settings, slack, storage, users
from framemill.api.openencoder.asked import MOUNT, NAME
from framemill.api.openencoder.auth import knows
from framemill.api.openencoder.refusals import write

DOOR = Door(
    name=NAME,
    title="Open Encoder",
    path=MOUNT,
    routers=(
        *(facts.routes, auth.routes, users.routes, settings.routes, storage.routes),
        *(*jobs.ROUTES, *presets.ROUTES, *machines.ROUTES),
    ),
    write=write,
    schemes=slack.SCHEMES,
    once={"apart": NAME},
    knows=knows,
)
