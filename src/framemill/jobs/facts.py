"""What a probe's facts say, which are in the shape of ffprobe's JSON: words for figures, and nothing is certain."""

import math
from collections.abc import Mapping
from typing import Any


def seconds_of(facts: Mapping[str, Any] | None) -> float | None:
    """How long the source is; none: nobody knows, or it does not say."""
    try:
        seconds = float((facts or {})["format"]["duration"])
    except (KeyError, TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) else None
