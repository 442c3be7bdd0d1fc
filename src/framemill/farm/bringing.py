"""What an order takes is brought to this machine before it is carried out, where the farm's machines share a bucket.

What is nowhere is not missed here: whoever carries the order out says what that means.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias, assert_never

from pydantic import ValidationError

from framemill.farm.intact import chunk_blob, extra_facts_blob, facts_blob
from framemill.farm.orders import (
    DeliverOrder,
    ExtraOrder,
    GroupOrder,
    GrowOrder,
    IngestOrder,
    Order,
    PlanOrder,
    ProbeOrder,
    ShareOrder,
    StitchOrder,
    SurveyOrder,
    TargetOrder,
    TrialOrder,
    WithdrawOrder,
)
from framemill.farm.surveying import survey_blob
from framemill.farm.titles import extras_of, load_title, places_of
from framemill.media.source import Source
from framemill.media.title import Title
from framemill.media.twopass import probe_of, to_share
from framemill.storage.blobs import Blobs

_File: TypeAlias = tuple[Path, str]
"""And its SHA-256, where that is known."""


def bring_for(order: Order, blobs: Blobs) -> None:
    """Bring it. Blocks. Raises `BlobsAway`."""
    try:
        blobs.bring(_keys(order, blobs))
        for path, sha256 in _files(order, blobs):
            blobs.bring_files(path, sha256=sha256)
    except (FileNotFoundError, ValidationError, json.JSONDecodeError):
        return  # a plan or a source that nobody has any more


def _keys(order: Order, blobs: Blobs) -> list[str]:
    match order:
        case StitchOrder():
            return list(_of_title(load_title(blobs, order.title_key), order.title_key))
        case SurveyOrder():
            probe = probe_of(load_title(blobs, order.title_key))
            chunks = [place for place in places_of(probe) if place.group == order.group]
            return [survey_blob(place.key) for place in chunks if place.rendition in order.renditions]
        case ShareOrder():
            title = load_title(blobs, order.draft_key)
            wanted = to_share(title)
            return [survey_blob(place.key) for place in places_of(probe_of(title)) if place.rendition in wanted]
        case _:
            return []


def _of_title(title: Title, title_key: str) -> Iterator[str]:
    """All that a plan is made of: chunks, sounds, texts, and what is known of them."""
    for place in places_of(title):
        yield from (chunk_blob(place.key), facts_blob(place.key))
    for extra in extras_of(title, title_key):
        yield from (extra.key, extra_facts_blob(extra.key))


def _files(order: Order, blobs: Blobs) -> list[_File]:  # noqa: PLR0911 - one for each kind of order
    """Files that are no blobs of the cache: sources, what is laid over them, outputs.

    A source was put there by a client, who may have put another one there since: it has to be the one that was read.
    """
    match order:
        case GroupOrder() | SurveyOrder():
            return list(_of_reel(load_title(blobs, order.title_key).part_of(order.group)[0]))
        case TrialOrder():
            return list(_of_reel(load_title(blobs, order.title_key).part_at(order.first)[0]))
        case ExtraOrder():
            reels = load_title(blobs, order.title_key).reels
            dubs = [_of_source(reel.dub.source) for reel in reels if reel.dub is not None]
            return [*(file for reel in reels for file in _of_reel(reel)), *dubs]
        case PlanOrder():
            keys = [joined.source_key for joined in order.joined] or [order.source_key]
            return [_of_source(Source.model_validate_json(blobs.read(key))) for key in keys]
        case IngestOrder():
            return [(Path(order.uri), order.sha256)] if order.uri.startswith("/") else []
        case ProbeOrder():
            return [(Path(order.uri), "")] if order.uri.startswith("/") else []
        case DeliverOrder():
            return [(Path(order.place), "")]
        case ShareOrder() | StitchOrder() | GrowOrder() | TargetOrder() | WithdrawOrder():
            return []
        case _:
            assert_never(order)


def _of_reel(title: Title) -> Iterator[_File]:
    yield _of_source(title.source)
    laid = None if title.film is None else title.film.laid
    if laid is not None:
        yield from ((Path(stamp.path), "") for stamp in laid.stamps)
        if laid.lines is not None:
            yield Path(laid.lines.path), ""


def _of_source(source: Source) -> _File:
    return Path(source.path), source.sha256
