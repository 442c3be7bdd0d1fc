"""What there is to encode of a job, as tasks: pure, from its plans and from what the store says is left."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from framemill.farm.errands import Piece
from framemill.farm.orders import ExtraOrder
from framemill.media.effort import picture_seconds
from framemill.media.estimate import COPY_SECONDS, JOIN_SECONDS, SOUND_SECONDS, shown_seconds, told_seconds
from framemill.media.plan import Chunk
from framemill.media.title import Title
from framemill.media.whole import WHOLE_KINDS
from framemill.policy.tasks import Standing, Task
from framemill.store.chunks import UnfinishedChunk

_SECONDS_A_SECOND: Mapping[str, float] = {"sound": SOUND_SECONDS, "text": 0.001, "remux": COPY_SECONDS, "whole": 0.01}
"""What extras take for each second of the title."""


def pieces_of(
    rows: Iterable[UnfinishedChunk], titles: Mapping[str, Title], title_keys: Mapping[str, str]
) -> list[Piece]:
    """The groups that are left, of every output that has a title; a group whose chunks are committed in part is done
    again as a whole, since its chunks come from one process. What several outputs have alike is in it once."""
    owners = {output_id: (key,) for output_id, key in title_keys.items()}
    left: dict[tuple[str, int, int], dict[int, str]] = defaultdict(dict)
    for row in rows:
        if row.output_id in titles:
            left[row.output_id, row.rendition, row.group_number][row.number] = row.key
    found: dict[tuple[str, ...], Piece] = {}
    for (output_id, rendition, number), waiting in sorted(left.items()):
        title = titles[output_id]
        plan = title.pictured.plan
        members = plan.group_chunks(plan.groups[number])
        # The store has the keys of what is left: to work one out takes longer than all else here.
        keys = tuple(waiting.get(chunk.number) or title.chunk_key(rendition, chunk) for chunk in members)
        frames = sum(chunk.frames for chunk in members)
        alike = found.get(keys)
        if alike is not None:
            shared = alike.title_keys + owners[output_id]
            found[keys] = alike._replace(title_keys=shared, frames=alike.frames + frames)
            continue
        own = keys if len(waiting) == len(keys) else tuple(waiting.values())
        found[keys] = Piece(owners[output_id], (rendition,), number, frames, keys, own)
    return list(found.values())


def batched(pieces: Iterable[Piece], titles: Mapping[str, Title]) -> list[Piece]:
    """The same with renditions put together that one process encodes from one decode; `titles` by title key.

    Which ones those are the plan says. Of renditions that are there already, only the others are encoded.
    """
    found: dict[tuple[tuple[str, ...], int, int], Piece] = {}
    for piece in pieces:
        batches = titles[piece.title_key].pictured.batches
        batch = next(number for number, batch in enumerate(batches) if piece.renditions[0] in batch)
        place = piece.title_keys, piece.group, batch
        before = found.get(place)
        found[place] = piece if before is None else _together(before, piece)
    return list(found.values())


def _together(one: Piece, other: Piece) -> Piece:
    return Piece(
        one.title_keys,
        one.renditions + other.renditions,
        one.group,
        one.frames + other.frames,
        one.keys + other.keys,
        one.left + other.left,
    )


def piece_tasks(pieces: Sequence[Piece], titles: Mapping[str, Title], standing: Standing, *, alone: bool) -> list[Task]:
    """A task for each piece, numbered as they are; `titles` by title key. `alone`: shared with no other job.

    Of a package the first segments go first, in every rendition: they are shown first, and where it begins somebody
    may be waiting for them. Of a file what takes longest: it would end last.
    """
    scales: dict[tuple[str, int], float] = {}
    joins = {key: _join_seconds(title) for key, title in titles.items()}  # each once, for all its tasks
    tasks = []
    for number, piece in enumerate(pieces):
        title = titles[piece.title_key]
        plan = title.pictured.plan
        for rendition in piece.renditions:
            if (piece.title_key, rendition) not in scales:
                scales[piece.title_key, rendition] = _seconds_an_effort(title, rendition)
        scale = sum(scales[piece.title_key, rendition] for rendition in piece.renditions)
        chunks = plan.group_chunks(plan.groups[piece.group])
        tasks.append(
            Task(
                id=_name_of(piece.keys, standing.job if alone else ""),
                standing=standing,
                turn=_turn(chunks[0]) if plan.segments else 0,
                awaited=bool(plan.segments) and _begins_early(title, chunks[0]),
                effort=sum(chunk.effort for chunk in chunks) * scale,
                after=joins[piece.title_key],
                number=number,
            )
        )
    return tasks


AWAITED_SECONDS = 30.0
"""Of a package: a player that has so much is far enough ahead of what is encoded in any order."""
_FIRST_TURN, _SOUND_TURN = 1, 2


def _turn(chunk: Chunk) -> int:
    """The package's first chunks, of all renditions; its sound, which is soon ahead of the pictures; then the others.

    The sound is one long task. Before the first chunks it would keep a slot from them, for the longer the longer the
    title is; right behind them it begins while they are encoded, or when they are.
    """
    return _SOUND_TURN + chunk.first if chunk.first else _FIRST_TURN


def _begins_early(title: Title, chunk: Chunk) -> bool:
    index = title.pictured.shown
    return (index.pts[chunk.first] - index.pts[0]) * index.time_base < AWAITED_SECONDS


def _name_of(keys: tuple[str, ...], owner: str) -> str:
    """Names exactly those chunks. One that is shared goes by its key itself: very many may wait."""
    if len(keys) == 1 and not owner:
        return keys[0]
    return f"{owner}chunks:{hashlib.sha256('+'.join(keys).encode()).hexdigest()}"


def extra_tasks(orders: Sequence[ExtraOrder], titles: Mapping[str, Title], standing: Standing) -> list[Task]:
    """A task for each extra; `titles` by title key. The sound of a package is heard while it is encoded."""
    tasks = []
    for order in orders:
        title = titles[order.title_key]
        played = order.kind == "sound" and title.film is not None and bool(title.film.plan.segments)
        tasks.append(
            Task(
                id=f"{order.kind}:{order.key}",
                standing=standing,
                turn=_SOUND_TURN if played else 0,
                awaited=played,
                effort=title_seconds(title) * _SECONDS_A_SECOND[order.kind],
                after=_join_seconds(title),
            )
        )
    return tasks


def holders_of(rows: Iterable[UnfinishedChunk], pieces: Sequence[Piece], tasks: Sequence[Task]) -> dict[str, str]:
    """Which worker had a task under a lease, by task."""
    workers = {row.key: row.worker for row in rows if row.worker is not None}
    held: dict[str, str] = defaultdict(str)
    for task, piece in zip(tasks, pieces, strict=True):
        for key in piece.keys:
            if key in workers:
                held[task.id] = workers[key]
    return held


def _seconds_an_effort(title: Title, rendition: int) -> float:
    """Seconds that a usual slot takes for one unit of the title's effort."""
    return _rendition_seconds(title, rendition) / (sum(chunk.effort for chunk in title.pictured.plan.chunks) or 1)


def _rendition_seconds(title: Title, rendition: int) -> float:
    film = title.pictured
    return len(film.shown.pts) * picture_seconds(title.settings, film.pictures[rendition])


def film_seconds(title: Title) -> float:
    """Seconds that a usual slot takes for all chunks of all renditions; 0 where there are none."""
    if title.film is None or title.settings.kind in WHOLE_KINDS:
        return 0.0
    return sum(_rendition_seconds(title, rendition) for rendition in range(len(title.film.pictures)))


def _join_seconds(title: Title) -> float:
    """Seconds that a stitcher takes for the frames of all renditions."""
    film = title.film
    return 0.0 if film is None else len(film.shown.pts) * len(film.pictures) * JOIN_SECONDS


def title_seconds(title: Title) -> float:
    """How much a title shows."""
    if title.film is not None:
        index = title.film.shown
        return float((index.pts[-1] - index.pts[0] + index.last_duration) * index.time_base)
    if title.parts:
        return sum(title_seconds(part) for part in title.parts)
    return float(shown_seconds(title.settings, told_seconds(title.source.inspection.facts)))
