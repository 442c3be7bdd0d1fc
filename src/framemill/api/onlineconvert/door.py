"""The door: its routes, its refusals, how it tells the world."""

from framemill.api.door import Door
from framemill.api.onlineconvert import (
    accounts,
    conversions,
    documents,
    downloading,
    information,
    inputs,
    jobs,
    outputs,
    preset_routes,
    signing,
    uploading,
)
from framemill.api.onlineconvert.asked import known
from framemill.api.onlineconvert.names import MOUNT, NAME
from framemill.api.onlineconvert.prices import prices_of
from framemill.api.onlineconvert.refusals import write
from framemill.api.onlineconvert.telling import SCHEMES

DOOR = Door(
    name=NAME,
    title="online-convert",
    path=MOUNT,
    routers=(
        *(information.routes, documents.routes, preset_routes.routes, accounts.routes, signing.routes),
        *(jobs.routes, conversions.routes, inputs.routes, outputs.routes),
    ),
    bytes=(uploading.routes, downloading.routes),
    write=write,
    schemes=SCHEMES,
    knows=known,
    any_type=True,
    prices=prices_of,
)
