"""What a conversion costs: whole credits for its seconds. The vendor's unit is not public; this one is the farm's, and
its operator changes it in framemill.toml:

    [tariffs.onlineconvert]
    credit_seconds = 60

A conversion costs a credit for each of these begun, of its output's length, and one at the least; so a number that is
larger than any film makes each conversion cost one.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pydantic import Field

from framemill.api.onlineconvert.names import NAME
from framemill.api.parts import ApiParts
from framemill.api.tables import read_table
from framemill.jobs.metering import CREDIT, Tariff
from framemill.jobs.settings import Value

_MINUTE = 60


class Prices(Value):
    """The table."""

    credit_seconds: float = Field(default=60, gt=0, le=10**9, allow_inf_nan=False)
    """Seconds of output that a credit pays."""


def prices_of(said: Mapping[str, Any]) -> Prices:
    """The operator's, completed with what is usual. Raises `InvalidSetting`."""
    return read_table(Prices, said, f"tariffs.{NAME}")


def tariff_of(prices: Prices) -> Tariff:
    """What the farm charges by."""
    share = Fraction(Decimal(str(prices.credit_seconds)))
    return Tariff(flat_rate=_MINUTE * CREDIT, multiplier=1 / share, step=CREDIT, least=CREDIT)


def tariff_here(parts: ApiParts) -> Tariff:
    """What a new job is charged by."""
    return tariff_of(prices_of(parts.tariffs.get(NAME, {})))
