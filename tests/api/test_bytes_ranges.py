"""Which bytes are sent, and whether any are: RFC 9110 on ranges and conditions, as decisions over words."""

from datetime import UTC, datetime, timedelta

import pytest

from framemill.api.bytes.conditions import decided, range_holds
from framemill.api.bytes.naming import content_disposition
from framemill.api.bytes.ranges import MOST_RANGES, NotSatisfiable, fit_range, is_whole
from framemill.storage.content import content_type

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
DATE = "Fri, 17 May 2030 12:00:00 GMT"
LATER = "Fri, 17 May 2030 12:00:01 GMT"
EARLIER = "Fri, 17 May 2030 11:59:59 GMT"
ETAG = '"abc"'


@pytest.mark.parametrize(
    ("asked", "fitted"),
    [
        ("bytes=0-4", "bytes=0-4"),
        ("bytes=5-", "bytes=5-9"),
        ("bytes=-3", "bytes=7-9"),
        ("bytes=-300", "bytes=0-9"),
        ("bytes=8-100", "bytes=8-9"),
        ("Bytes = 0-4", "bytes=0-4"),
        ("bytes=0-1, 5-6", "bytes=0-1,5-6"),
        ("bytes= 0-1 ,, 5-6 ,", "bytes=0-1,5-6"),
        # Of several, those that lie in the file.
        ("bytes=20-30,0-1", "bytes=0-1"),
        ("bytes=0-1,-0", "bytes=0-1"),
    ],
)
def test_a_range_is_cut_to_what_the_file_has(asked: str, fitted: str) -> None:
    assert fit_range(asked, 10) == fitted


@pytest.mark.parametrize(
    "asked",
    [
        *("chars=0-4", "bytes", "bytes=", "bytes=,", "bytes=a-b", "bytes=4-2", "bytes=0-4,x", "bytes=--1", "bytes=1"),
        *("bytes=+1-2", "bytes=1_0-20", "bytes=٣-٤", "bytes=" + ",".join(["0-0"] * (MOST_RANGES + 1))),
    ],
)
def test_what_cannot_be_read_is_passed_over(asked: str) -> None:
    assert fit_range(asked, 10) is None


@pytest.mark.parametrize(("asked", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_a_range_that_lies_nowhere_in_the_file_is_refused(asked: str, size: int) -> None:
    with pytest.raises(NotSatisfiable):
        fit_range(asked, size)


@pytest.mark.parametrize(
    ("asked", "fitted"), [("bytes=0-", "bytes=0-3"), ("bytes=0-1,5-", "bytes=0-1,5-6"), ("bytes=0-3,5-", "bytes=0-3")]
)
def test_where_a_proxy_holds_bodies_in_memory_no_answer_is_larger_than_that(asked: str, fitted: str) -> None:
    assert fit_range(asked, 10, most_bytes=4) == fitted


def test_what_is_whole() -> None:
    assert is_whole(None, 10)
    assert is_whole("bytes=0-9", 10)
    assert is_whole("bytes=2-3,0-9", 10)
    assert not is_whole("bytes=0-8", 10)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-none-match": ETAG}, 304),
        ({"if-none-match": f'"x", W/{ETAG}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"'}, 200),
        # It decides alone.
        ({"if-none-match": '"x"', "if-modified-since": DATE}, 200),
        ({"if-modified-since": DATE}, 304),
        ({"if-modified-since": LATER}, 304),
        ({"if-modified-since": EARLIER}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-match": ETAG}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": f"W/{ETAG}"}, 412),
        ({"if-match": '"x"'}, 412),
        ({"if-match": '"x"', "if-none-match": ETAG}, 412),
        ({"if-unmodified-since": EARLIER}, 412),
        ({"if-unmodified-since": DATE}, 200),
        ({"if-match": ETAG, "if-unmodified-since": EARLIER}, 200),
    ],
)
def test_conditions(headers: dict[str, str], status: int) -> None:
    assert decided(headers, ETAG, NOON) == status


@pytest.mark.parametrize(
    ("said", "holds"),
    [(None, True), (ETAG, True), ('"x"', False), (f"W/{ETAG}", False), (DATE, True), (LATER, False), ("soon", False)],
)
def test_a_range_of_what_has_changed_since_is_none(said: str | None, holds: bool) -> None:
    assert range_holds({} if said is None else {"if-range": said}, ETAG, NOON) is holds


def test_a_weak_tag_holds_no_range() -> None:
    assert not range_holds({"if-range": 'W/"abc"'}, 'W/"abc"', NOON)
    assert decided({"if-none-match": '"abc"'}, 'W/"abc"', NOON + timedelta(hours=1)) == 304


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a.mp4", 'inline; filename="a.mp4"'),
        ("my film.mp4", 'inline; filename="my film.mp4"'),
        ("Käse.mp4", "inline; filename=\"K_se.mp4\"; filename*=UTF-8''K%C3%A4se.mp4"),
        ('a"b\\.mp4', "inline; filename=\"a_b_.mp4\"; filename*=UTF-8''a%22b%5C.mp4"),
        ("a\r\nX: b.mp4", "inline; filename=\"a__X: b.mp4\"; filename*=UTF-8''a%0D%0AX%3A%20b.mp4"),
    ],
)
def test_names_in_headers(name: str, told: str) -> None:
    assert content_disposition("inline", name) == told


def test_what_a_browser_could_run_is_bytes_to_it() -> None:
    assert content_type("v/playlist.m3u8") == "application/vnd.apple.mpegurl"
    assert content_type("00001.M4S") == "video/iso.segment"
    assert content_type("x.html") == content_type("x.svg") == content_type("x") == "application/octet-stream"
