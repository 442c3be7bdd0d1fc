"""The routers of `/v1`, in the order in which the document lists them: a new subject adds its own here."""

from fastapi import APIRouter

from framemill.api.native import (
    account_routes,
    farm,
    folders,
    jobs,
    metrics,
    outputs,
    parts,
    probing,
    streams,
    uploads,
    webhooks,
)

ROUTERS: tuple[APIRouter, ...] = (
    *(
        jobs.routes,
        folders.routes,
        parts.routes,
        uploads.routes,
        outputs.routes,
        probing.routes,
        streams.routes,
        webhooks.routes,
    ),
    *account_routes.ROUTERS,
    *(metrics.stats_routes, farm.routes),
)
"""Each is mounted under `/v1`."""
