"""The page that says what the other APIs do names each of their operations, and none that there is not."""

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from framemill.api.door import Door
from framemill.api.doors import DOORS

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
NAMED = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s?]*)")
every_door = pytest.mark.parametrize("door", DOORS, ids=[door.name for door in DOORS])


def section(door: Door) -> str:
    """What the page says of a door."""
    found = re.search(rf"^## {re.escape(door.title)}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{PAGE.name} has no section of {door.title}"
    return found[1]


def alike(path: str) -> str:
    """A path, whatever its parameters are called."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def served(door: Door) -> set[str]:
    """`GET /path` of each route; who answers GET answers HEAD and OPTIONS, too, where it does."""
    return {
        f"{method} {alike(route.path)}"
        for router in (*door.routers, *door.bytes)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}
    }


@every_door
def test_every_operation_of_a_door_is_named_and_every_named_one_is_there(door: Door) -> None:
    named = {f"{method} {alike(path)}" for method, path in NAMED.findall(section(door))}

    assert sorted(served(door) - named) == [], "not on the page"
    assert sorted(named - served(door)) == [], "not in the door"


def test_the_page_is_found_from_the_readme() -> None:
    assert "(docs/compatibility.md)" in (PAGE.parents[1] / "README.md").read_text()
