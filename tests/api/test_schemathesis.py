"""Schemathesis over the OpenAPI document: whatever fits it is answered as it says, and nothing ends in a 5xx.

A few requests for each operation in every run; many in the long one, and beside them one for each limit, type and
missing field that the document knows. Every run asks the same;
`pytest --hypothesis-seed=7 tests/api/test_schemathesis.py` asks something else.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from documented import document
from front_door import KEY, FrontDoor, served
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.specs.openapi.schemas import OpenApiSchema
from starlette.applications import Starlette

from framemill.store.database import Database

FEW, MANY = 3, 100

load_all_checks()
EVERY: Any = CHECKS.get_all()
# A job that fits the schema may be refused for what it means: a file that is not there, a setting that does not fit.
CONFIG: dict[str, Any] = {
    "auth": {"openapi": {"bearer": {"bearer": KEY}, "key": {"api_key": KEY}}},
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 415, 422, 429]},
        "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 409, 413, 415, 422, 429]},
    },
}


def _schema(*, coverage: bool) -> OpenApiSchema:
    config = schemathesis.Config.from_dict({**CONFIG, "phases": {"coverage": {"enabled": coverage}}})
    return schemathesis.openapi.from_dict(document(), config=config)


SOME, WHOLE = _schema(coverage=False), _schema(coverage=True)
CALM = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)


class ApiAlone(FrontDoor):
    """Without the application of bytes beside it."""

    @property
    def whole(self) -> Starlette:
        return self.app


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database = Database(f"sqlite:///{Path(tmp_path_factory.mktemp('schemathesis')) / 'farm.db'}")
    database.create()
    with served(ApiAlone(database)) as url:
        yield url
    database.close()


def asked(case: schemathesis.Case[Any], base: str) -> None:
    if str((case.query or {}).get("stream", "")).strip("[]'\"").lower() in {"true", "1", "t", "y", "yes", "on"}:
        return  # an account's stream has no end
    if any(name.lower() == "transfer-encoding" for name in case.headers or ()):
        return  # a framing that does not exist is refused by the server, before the API hears of it
    case.call_and_validate(base_url=base, checks=EVERY, timeout=30)


@SOME.parametrize()
@settings(CALM, max_examples=FEW)
def test_what_fits_the_document_is_answered_as_it_says(case: schemathesis.Case[Any], base: str) -> None:
    asked(case, base)


@pytest.mark.service
@WHOLE.parametrize()
@settings(CALM, max_examples=MANY)
def test_the_same_for_longer(case: schemathesis.Case[Any], base: str) -> None:
    asked(case, base)
