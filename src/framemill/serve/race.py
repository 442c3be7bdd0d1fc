"""Waits for the first of several things and drops the others."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def first_of(*things: Coroutine[Any, Any, Any]) -> None:
    """Run them side by side until one returns or raises, which is raised here; the others are cancelled by then."""
    tasks = [asyncio.ensure_future(thing) for thing in things]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:  # in their order: several may have come to an end at once
        if task in done:
            task.result()
