"""The door: its routes, its refusals, how it tells the world."""

from framemill.api.convertrilo import bulk, files, folder, jobs, kept, keys, login, ondemand, streams, tokens, webhooks
from framemill.api.convertrilo.asked import NAME
from framemill.api.convertrilo.prices import prices_of
from framemill.api.convertrilo.refusals import write
from framemill.api.convertrilo.telling import SCHEMES
from framemill.api.door import Door

DOOR = Door(
    name=NAME,
    title="Convertrilo",
    routers=(
        *(bulk.routes, jobs.routes, streams.routes, tokens.routes),  # bulk first: it is no job's id
        *(login.routes, keys.routes, webhooks.routes, folder.routes, *kept.ROUTES, ondemand.routes, files.routes),
    ),
    write=write,
    schemes=SCHEMES,
    once={
        "paths": frozenset({"/jobs", "/jobs/bulk", "/ondemand/encode", "/ondemand/ingest/folder"}),
        "apart": NAME,
        "as_json": True,
    },
    prices=prices_of,
)
