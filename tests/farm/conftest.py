"""One embedded farm for the whole session, and the clips that it is tried on."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import clips
import pytest

from framemill.services.local import LocalSession, local_session
from framemill.services.requests import encode_request

Encode: TypeAlias = Callable[..., dict[str, Any]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs the farm."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.farm)


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSession]:
    """Two slots, as on the smallest machine that encodes side by side."""
    with local_session(tmp_path_factory.mktemp("farm"), 2) as session:
        yield session


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A generated clip by its name; made when it is first asked for."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str) -> Path:
        made = folder / name
        return made if made.exists() else clips.CLIPS[name](folder)

    return make


@pytest.fixture
def encode(farm: LocalSession, tmp_path: Path) -> Encode:
    """Encode a source into a file or folder of the test's own; the job's row."""

    def run(source: Path, name: str, preset: str | None = None, **settings: object) -> dict[str, Any]:
        target = tmp_path / name
        if target.is_dir():
            shutil.rmtree(target)
        words: Mapping[str, str] = {key: str(value) for key, value in settings.items()}
        return farm.encode(encode_request(str(source), str(target), preset, words), lambda _: None)

    return run
