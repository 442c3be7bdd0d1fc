"""The words of other APIs stay in their doors: below them a farm has one vocabulary, whatever it is asked in."""

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "framemill"
DOORS = SOURCE / "api"

#: Names of APIs, and of things that one of them alone knows.
FOREIGN = (
    "convertrilo", "devstreamcore", "devstream", "api2convert", "online-?convert", "open_?encoder", "neus?",
    "reprocessing", "vmafTarget", "onlineconvert", "openencoder", "jellyfin", "streamyfin", "gdrive_picker",
    "fail_on_conversion_error", "optimize-version", "approve_?unified", "onDemand",
)  # fmt: skip
FOREIGN_WORD = re.compile(rf"(?<![a-z0-9])({'|'.join(FOREIGN)})(?![a-z0-9])", re.IGNORECASE)


def foreign_words(text: str) -> list[str]:
    """Those that stand in a text, also as parts of names."""
    return [found.group() for found in FOREIGN_WORD.finditer(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("price_neu: int", ["neu"]),
        ('"NEU"', ["NEU"]),
        ("neutral, a pneumatic neuron", []),
        ("from framemill.api.convertrilo import x", ["convertrilo"]),
        ("class DevStreamCore:", ["DevStreamCore"]),
        ("for online-convert's clients", ["online-convert"]),
    ],
)
def test_what_a_foreign_word_is(text: str, found: list[str]) -> None:
    assert foreign_words(text) == found


def test_no_foreign_word_stands_below_the_doors() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{number}: {', '.join(words)}"
        for path in sorted(SOURCE.rglob("*.py"))
        if DOORS not in path.parents
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (words := foreign_words(line))
    ]
    assert not found, "\n".join(found)


def test_the_native_door_has_its_own_words() -> None:
    native = [path for path in (DOORS / "native").rglob("*.py") if foreign_words(path.read_text())]
    assert not native


def test_what_doors_share_names_none_of_them() -> None:
    shared = [path.name for path in DOORS.glob("*.py") if foreign_words(path.read_text())]
    assert shared == ["doors.py"]
