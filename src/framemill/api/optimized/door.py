"""The door: its routes, its refusals, who is let in, what its operator sets."""

from framemill.api.door import Door
from framemill.api.optimized import files, jobs
from framemill.api.optimized.asked import MOUNT, NAME
from framemill.api.optimized.options import options_of
from framemill.api.optimized.refusals import write
from framemill.api.optimized.visitors import visitor

DOOR = Door(
    name=NAME,
    title="Optimized versions",
    path=MOUNT,
    routers=(jobs.routes, files.routes),
    write=write,
    knows=visitor,
    settings=options_of,
)
