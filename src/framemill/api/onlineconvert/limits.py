"""What a job may use at most, in this door's words and in the farm's. Pure."""

import math
from typing import Any

from framemill.api.onlineconvert import schemas
from framemill.jobs.metering import CREDIT
from framemill.jobs.model import Limits

KEPT_SECONDS = 24 * 3600
"""How long outputs can be fetched."""


def limits_of(asked: schemas.Limits) -> Limits:
    """The farm's, of what a client says."""
    job = asked.job
    return Limits(
        max_spend=None if job.max_credit is None else math.floor(job.max_credit * CREDIT),
        max_inputs=job.max_inputs,
        max_process_seconds=job.max_process_times if job.max_process_time is None else job.max_process_time,
        max_input_bytes=asked.input.max_file_size,
        max_downloads=asked.output.max_downloads,
        max_kept_seconds=KEPT_SECONDS,
    )


def limits_told(limits: Limits) -> dict[str, dict[str, Any]]:
    """As they hold: no wider than the account's own; what is not limited is not told."""
    told: dict[str, dict[str, Any]] = {
        "job": {
            "max_credit": None if limits.max_spend is None else _number(limits.max_spend / CREDIT),
            "max_inputs": limits.max_inputs,
            "max_process_time": None if limits.max_process_seconds is None else _number(limits.max_process_seconds),
        },
        "input": {"max_file_size": limits.max_input_bytes},
        "output": {"max_downloads": limits.max_downloads},
    }
    return {part: {name: value for name, value in said.items() if value is not None} for part, said in told.items()}


def credits_told(thousandths: int) -> int | float:
    """An amount of the ledger's."""
    return _number(thousandths / CREDIT)


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value
