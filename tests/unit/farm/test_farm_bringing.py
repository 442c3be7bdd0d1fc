"""What each order takes is brought to a machine before it is carried out: all of it, and nothing else."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from fake_hands import make_index, make_source

from framemill.farm.bringing import bring_for
from framemill.farm.orders import (
    ExtraOrder,
    GroupOrder,
    GrowOrder,
    IngestOrder,
    Order,
    PlanOrder,
    StitchOrder,
    TrialOrder,
)
from framemill.farm.titles import extras_of, places_of
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.title import Title, plan_title
from framemill.storage.local import LocalBlobs

TITLE = "titles/t.json"
SOURCE = "sources/s.json"


class Elsewhere(LocalBlobs):
    """Blobs that another machine has; it is noted what is brought."""

    shared = True

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.keys: set[str] = set()
        self.files: dict[str, str] = {}

    def bring(self, keys: Iterable[str]) -> None:
        self.keys |= set(keys)

    def bring_files(self, *paths: Path, sha256: str = "") -> None:
        self.files |= dict.fromkeys(map(str, paths), sha256)


def order_of(blobs: LocalBlobs) -> PlanOrder:
    return PlanOrder(
        title_key=TITLE,
        source_key=SOURCE,
        settings=OutputSettings(),
        run=RunSettings(chunks=2),
        decode=False,
        linear=False,
    )


@pytest.fixture
def blobs(tmp_path: Path) -> Elsewhere:
    found = Elsewhere(tmp_path)
    order = order_of(found)
    source = make_source(order.source_key)
    title = plan_title(source, make_index(order), order.settings, order.run, "build")
    found.write(TITLE, title.model_dump_json().encode())
    found.write(SOURCE, source.model_dump_json().encode())
    return found


@pytest.fixture
def title(blobs: Elsewhere) -> Title:
    return Title.model_validate_json(blobs.read(TITLE))


@pytest.mark.parametrize(
    "order",
    [
        GroupOrder(title_key=TITLE, renditions=(0,), group=0),
        TrialOrder(title_key=TITLE, rendition=0, first=0, end=1),
        ExtraOrder(title_key=TITLE, kind="sound", key="sounds/s"),
        PlanOrder(
            title_key=TITLE, source_key=SOURCE, settings=OutputSettings(), run=RunSettings(), decode=False, linear=False
        ),
    ],
)
def test_who_decodes_has_the_source_that_was_read(blobs: Elsewhere, title: Title, order: Order) -> None:
    """By its hash: the chunks are kept by that, for whoever has the same one."""
    bring_for(order, blobs)
    assert (blobs.files, blobs.keys) == ({title.source.path: title.source.sha256}, set())
    assert title.source.sha256


def test_who_joins_has_all_chunks_and_what_is_known_of_them(blobs: Elsewhere, title: Title) -> None:
    bring_for(StitchOrder(title_key=TITLE, folder="/f", name="n"), blobs)
    chunks = {f"chunks/{place.key}.{suffix}" for place in places_of(title) for suffix in ("mp4", "json")}
    extras = {f"{order.key}{suffix}" for order in extras_of(title, TITLE) for suffix in ("", ".json")}
    assert len(chunks) == 4
    assert blobs.keys == chunks | extras
    assert blobs.files == {}


def test_an_upload_is_brought_and_an_address_is_not(blobs: Elsewhere) -> None:
    bring_for(IngestOrder(uri="/farm/uploads/u/body", name="n", folder="/f", sha256="s"), blobs)
    bring_for(IngestOrder(uri="https://example.org/film", name="n", folder="/f"), blobs)
    bring_for(GrowOrder(title_key=TITLE, folder="/f"), blobs)  # it looks for itself, again and again
    assert (blobs.files, blobs.keys) == ({"/farm/uploads/u/body": "s"}, set())


def test_a_plan_that_nobody_has_is_missed_by_who_needs_it(blobs: Elsewhere) -> None:
    bring_for(StitchOrder(title_key="titles/none.json", folder="/f", name="n"), blobs)
    assert blobs.keys == set()
