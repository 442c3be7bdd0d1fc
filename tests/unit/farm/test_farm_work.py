"""What is left of a job becomes tasks: one for each group, with its length, its turn, and whoever may have it."""

from fractions import Fraction
from typing import Any

from fake_hands import make_title

from framemill.farm.errands import Piece
from framemill.farm.orders import ExtraOrder, PlanOrder
from framemill.farm.titles import extras_of, places_of
from framemill.farm.work import batched, extra_tasks, holders_of, piece_tasks, pieces_of, title_seconds
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.jobs.states import ChunkState
from framemill.media.estimate import JOIN_SECONDS
from framemill.media.title import Film, Title
from framemill.policy.tasks import ENCODE, Standing, Task
from framemill.store.chunks import UnfinishedChunk

STANDING = Standing("j", "a")


def title_of(run: dict[str, Any] | None = None, **fields: Any) -> Title:
    return make_title(
        PlanOrder(
            title_key="titles/t.json",
            source_key="source",
            settings=OutputSettings(**fields),
            run=RunSettings(**(run or {"chunk_frames": 10})),
            decode=False,
            linear=False,
        )
    )


def rows_of(title: Title, output: str = "o", **fields: Any) -> list[UnfinishedChunk]:
    return [
        UnfinishedChunk(
            output_id=output,
            rendition=place.rendition,
            number=place.number,
            group_number=place.group,
            key=place.key,
            first_frame=place.first,
            end_frame=place.end,
            state=ChunkState.WAITING,
            lease_token=None,
            worker=None,
            tries=0,
        )._replace(**fields)
        for place in places_of(title)
    ]


def pieces(title: Title, rows: list[UnfinishedChunk]) -> list[Piece]:
    return pieces_of(rows, {"o": title}, {"o": "t"})


def tasks(title: Title, of: list[Piece], *, alone: bool = False) -> list[Task]:
    return piece_tasks(of, {"t": title}, STANDING, alone=alone)


def test_every_group_is_a_piece() -> None:
    title = title_of()
    rows = rows_of(title)

    assert pieces(title, rows) == [
        Piece(("t",), (0,), number, 10, (row.key,), (row.key,)) for number, row in enumerate(rows)
    ]
    assert pieces(title, []) == []


def test_only_what_is_left_is_a_piece() -> None:
    title = title_of()
    rows = rows_of(title)

    assert [piece.group for piece in pieces(title, rows[1:3])] == [1, 2]


def test_an_output_that_was_given_up_has_no_pieces() -> None:
    title = title_of()

    assert pieces(title, rows_of(title, "given up")) == []


def test_a_group_that_is_committed_in_part_is_done_as_a_whole() -> None:
    """Its chunks come from one process; only what is left of them is leased."""
    title = title_of({"chunk_frames": 7})
    rows = rows_of(title)
    assert [row.group_number for row in rows] == [0, 1, 1, 2, 3, 3]
    found = pieces(title, [rows[2], *rows[4:]])

    assert [(piece.group, piece.frames) for piece in found] == [(1, 14), (3, 12)]
    assert [piece.keys for piece in found] == [(rows[1].key, rows[2].key), (rows[4].key, rows[5].key)]
    assert [piece.left for piece in found] == [(rows[2].key,), (rows[4].key, rows[5].key)]


def test_what_two_outputs_have_alike_is_one_piece() -> None:
    mp4, mkv = title_of(), title_of(container="mkv")
    rows = rows_of(mp4, "o") + rows_of(mkv, "p")
    found = pieces_of(rows, {"o": mp4, "p": mkv}, {"o": "t", "p": "u"})

    assert [(piece.title_keys, piece.group, piece.frames) for piece in found] == [
        (("t", "u"), number, 20) for number in range(4)
    ]


def test_what_differs_is_not() -> None:
    one, other = title_of(), title_of(crf=30)
    found = pieces_of(rows_of(one, "o") + rows_of(other, "p"), {"o": one, "p": other}, {"o": "t", "p": "u"})

    assert [(piece.title_keys, piece.group) for piece in found] == [
        *((("t",), number) for number in range(4)),
        *((("u",), number) for number in range(4)),
    ]


LADDER = [{"height": 48, "crf": 20}, {"height": 32, "crf": 30}, {"height": 24, "crf": 30}]


def test_renditions_that_one_decode_serves_are_one_piece() -> None:
    title = title_of({"chunks": 4}, container="package", segment_seconds=0.4, ladder=LADDER)
    rows = rows_of(title)
    found = batched(pieces(title, rows), {"t": title})

    assert [(piece.renditions, piece.group, piece.frames) for piece in found] == [
        ((0, 1, 2), number, 30) for number in range(4)
    ]
    assert found[1].keys == found[1].left == tuple(row.key for row in rows if row.group_number == 1)
    single, together = tasks(title, pieces(title, rows)), tasks(title, found)
    assert abs(together[0].effort - sum(task.effort for task in single[::4])) < 1e-12


def test_of_renditions_that_are_there_only_the_others_are_encoded() -> None:
    title = title_of({"chunks": 4}, container="package", segment_seconds=0.4, ladder=LADDER)
    left = [row for row in rows_of(title) if (row.rendition, row.group_number) != (1, 2)]
    found = batched(pieces(title, left), {"t": title})

    assert [piece.renditions for piece in found] == [(0, 1, 2), (0, 1, 2), (0, 2), (0, 1, 2)]
    assert [len(piece.left) for piece in found] == [3, 3, 2, 3]


def test_outputs_that_share_some_renditions_only_do_not_get_each_others() -> None:
    one = title_of({"chunks": 4}, container="package", segment_seconds=0.4, ladder=LADDER[:2])
    other = title_of({"chunks": 4}, container="package", segment_seconds=0.4, ladder=LADDER[1:])
    titles = {"t": one, "u": other}
    some = pieces_of(rows_of(one, "o") + rows_of(other, "p"), {"o": one, "p": other}, {"o": "t", "p": "u"})
    found = batched(some, titles)

    of_first = [(piece.title_keys, piece.renditions) for piece in found if piece.group == 0]
    assert of_first == [(("t",), (0,)), (("t", "u"), (1,)), (("u",), (1,))]


def test_a_task_says_which_chunks_it_is_of() -> None:
    """Jobs that want the very same share it; those that want other chunks do not."""
    title = title_of()
    mine = tasks(title, pieces(title, rows_of(title)))
    theirs = piece_tasks(pieces(title, rows_of(title)[1:]), {"t": title}, Standing("k", "b"), alone=False)

    assert [task.id for task in theirs] == [task.id for task in mine[1:]]
    assert [task.number for task in mine] == [0, 1, 2, 3]
    assert [task.number for task in theirs] == [0, 1, 2]
    assert {(task.lane, task.needs, task.standing) for task in mine} == {(ENCODE, "", STANDING)}


def test_groups_that_begin_alike_are_not_the_same() -> None:
    longer, shorter = (
        Piece(("t",), (0,), 0, 3, ("a", "b"), ("a", "b")),
        Piece(("t",), (0,), 0, 3, ("a", "c"), ("a", "c")),
    )
    title = title_of()
    one, other = tasks(title, [longer, shorter])

    assert one.id != other.id
    assert one.id == tasks(title, [longer])[0].id


def test_a_job_that_encodes_anew_shares_with_nobody() -> None:
    title = title_of()
    own = tasks(title, pieces(title, rows_of(title)), alone=True)
    shared = tasks(title, pieces(title, rows_of(title)))

    again = piece_tasks(pieces(title, rows_of(title)), {"t": title}, Standing("k", "a"), alone=True)
    ids = [task.id for task in (*own, *shared, *again)]
    assert len(set(ids)) == 12


def test_of_a_file_no_part_goes_first() -> None:
    title = title_of()

    assert {task.turn for task in tasks(title, pieces(title, rows_of(title)))} == {0}


def test_of_a_package_the_first_segments_go_first() -> None:
    title = title_of({"chunks": 4}, container="package", segment_seconds=0.4)
    found = tasks(title, pieces(title, rows_of(title)))

    assert [(task.turn, task.awaited) for task in found] == [(1, True), (12, True), (22, True), (32, True)]


def test_the_sound_of_a_package_comes_behind_its_first_segments_alone() -> None:
    """However long it is, it keeps no slot from them; and it is ahead of all the others."""
    title = title_of({"chunks": 4}, container="package", segment_seconds=0.4)
    sound = next(task for task in extra_tasks(extras_of(title, "t"), {"t": title}, STANDING) if "sound" in task.id)
    turns = [task.turn for task in tasks(title, pieces(title, rows_of(title)))]

    assert turns[0] < sound.turn < min(turns[1:])
    assert sound.awaited
    mp4 = title_of()
    assert [(task.turn, task.awaited) for task in extra_tasks(extras_of(mp4, "t"), {"t": mp4}, STANDING)] == [
        (0, False),
        (0, False),
    ]


def test_nobody_waits_for_what_is_shown_late() -> None:
    index = title_of().pictured.index.model_copy(update={"time_base": Fraction(2)})  # 40 frames of two seconds each
    long = title_of({"chunks": 4}, container="package", segment_seconds=20)
    film = Film(index=index, plan=long.pictured.plan, pictures=long.pictured.pictures)
    found = pieces(long, rows_of(long))
    late = piece_tasks(found, {"t": long.model_copy(update={"film": film})}, STANDING, alone=False)

    assert [task.awaited for task in late] == [True, True, False, False]


def test_effort_is_that_of_the_pictures() -> None:
    """Seconds of a usual slot: more for more pixels, more frames, and slower codecs."""
    h264, av1 = title_of(), title_of(video_codec="av1")
    short = title_of({"chunk_frames": 5})
    efforts = {name: tasks(t, pieces(t, rows_of(t)))[0].effort for name, t in (("h264", h264), ("av1", av1))}

    assert efforts["h264"] == 10 * 64 * 48 / 1e6 * 0.03
    assert efforts["av1"] > 2 * efforts["h264"]
    whole = sum(task.effort for task in tasks(short, pieces(short, rows_of(short))))
    assert abs(whole - 4 * efforts["h264"]) < 1e-12


def test_behind_every_chunk_comes_the_join_of_all_renditions() -> None:
    one, two = title_of(), title_of(ladder=[{"height": 24}, {"height": 48}])
    frames = len(one.pictured.index.pts)

    assert {task.after for task in tasks(one, pieces(one, rows_of(one)))} == {frames * JOIN_SECONDS}
    assert {task.after for task in tasks(two, pieces(two, rows_of(two)))} == {2 * frames * JOIN_SECONDS}


def test_extras_are_short() -> None:
    title = title_of()
    orders = extras_of(title, "t")
    found = extra_tasks(orders, {"t": title}, STANDING)

    assert title_seconds(title) == 1.6
    assert [(task.id, task.effort) for task in found] == [
        (f"sound:sounds/{title.sound_keys[0]}", 1.6 * 0.02),
        (f"text:texts/{title.text_key(0)}", 1.6 * 0.001),
    ]


def test_a_title_without_pictures_is_as_long_as_its_source() -> None:
    title = title_of(video_codec="copy")
    inspection = title.source.inspection.model_copy(update={"facts": {"format": {"duration": "12.5"}}})
    long = title.model_copy(update={"source": title.source.model_copy(update={"inspection": inspection})})

    assert title_seconds(long) == 12.5
    assert title_seconds(title) == 0.0
    remux = ExtraOrder(title_key="t", kind="remux", key="remuxes/r")
    assert extra_tasks([remux], {"t": long}, STANDING)[0].effort == 12.5 * 0.005


def test_who_had_a_lease_may_have_it_still() -> None:
    title = title_of({"chunk_frames": 7})
    rows = rows_of(title)
    rows[2] = rows[2]._replace(state=ChunkState.LEASED, worker="w3", lease_token="x")  # noqa: S106
    found = pieces(title, rows)
    holder = next(task.id for task, piece in zip(tasks(title, found), found, strict=True) if rows[2].key in piece.keys)

    assert holders_of(rows, found, tasks(title, found)) == {holder: "w3"}
