"""What is in a folder of a store, and in whose."""

from pathlib import Path

import pytest

from framemill.errors import PathRefused, SourceError, WrongUse
from framemill.sealing import Seals
from framemill.services.browsing import level_of
from framemill.services.callers import OWNER, Caller
from framemill.services.desk import Desk
from framemill.storage.roots import Roots

DESK = Desk(Seals("a farm's secret"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("in/b.mov", "in/a.mov", "in/deep/c.mov", "in/deep/d.mov", "in/deep/er/e.mov"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"film")
    return tmp_path / "in"


def test_a_level_is_what_is_in_a_folder_and_no_further_down(folder: Path) -> None:
    found = level_of(f"{folder}/", None, OWNER, DESK)

    assert found.folders == [f"{folder}/deep/"]
    assert [(one.path, one.size) for one in found.files] == [(f"{folder}/a.mov", 4), (f"{folder}/b.mov", 4)]


def test_a_level_has_an_end(folder: Path) -> None:
    found = level_of(f"{folder}/", None, OWNER, DESK, most=2)

    assert len(found.folders) + len(found.files) == 2


def test_a_closed_folder_is_not_looked_into(folder: Path) -> None:
    desk = Desk(DESK.seals, roots=Roots((folder / "deep",)))

    with pytest.raises(PathRefused):
        level_of(f"{folder}/", None, Caller(), desk)
    assert level_of(f"{folder}/deep/", None, Caller(), desk).folders == [f"{folder}/deep/er/"]


@pytest.mark.parametrize(
    ("uri", "kind"),
    [("/no/such/folder/", SourceError), ("https://example.org/in/", SourceError), ("ftp://127.0.0.1/in/", WrongUse)],
)
def test_what_has_no_levels(uri: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        level_of(uri, None, Caller(), DESK)
