"""What is thrown away, and what never is; when intake pauses, and when it goes on."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.policy.retention import DAY_SECONDS, CacheLimits, Entry, expendable, under_pressure, wanted_room

NOW = 1_900_000_000.0
GB = 1 << 30


def entry(key: str, days: float, size: int = 10, *, in_use: bool = False) -> Entry:
    """Last used so many days ago."""
    return Entry(key, size, NOW - days * DAY_SECONDS, in_use)


def test_what_is_too_old_goes() -> None:
    entries = [entry("new", 1), entry("old", 15), entry("older", 20), entry("just", 14)]

    assert expendable(entries, CacheLimits(), NOW) == ["older", "old"]


def test_the_oldest_go_until_the_rest_is_inside_the_limit() -> None:
    entries = [entry("b", 2), entry("d", 4), entry("a", 1), entry("c", 3)]

    assert expendable(entries, CacheLimits(cache_bytes=25), NOW) == ["d", "c"]
    assert expendable(entries, CacheLimits(cache_bytes=40), NOW) == []
    assert expendable(entries, CacheLimits(cache_bytes=0), NOW) == ["d", "c", "b", "a"]


def test_what_is_in_use_stays_but_counts() -> None:
    entries = [entry("used", 99, in_use=True), entry("a", 1), entry("b", 2)]

    assert expendable(entries, CacheLimits(cache_bytes=20), NOW) == ["b"]
    assert expendable(entries, CacheLimits(cache_bytes=5), NOW) == ["b", "a"]


def test_what_goes_for_its_age_counts_for_the_room() -> None:
    entries = [entry("old", 15, 30), entry("a", 1), entry("b", 2)]

    assert expendable(entries, CacheLimits(cache_bytes=20), NOW) == ["old"]
    assert expendable(entries, CacheLimits(), NOW, wanted_bytes=31) == ["old", "b"]


def test_a_clock_that_was_put_back_throws_nothing_away() -> None:
    assert expendable([entry("later", -3)], CacheLimits(cache_days=0), NOW) == []


cached = st.lists(
    st.builds(
        Entry,
        key=st.uuids().map(str),
        size=st.integers(0, 100),
        last_used=st.integers(0, 50).map(lambda days: NOW - days * DAY_SECONDS),
        in_use=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda entry: entry.key,
)


@given(cached, st.integers(0, 2000), st.integers(0, 50), st.integers(0, 2000))
def test_no_more_goes_than_must(entries: list[Entry], most: int, days: int, wanted: int) -> None:
    limits = CacheLimits(cache_bytes=most, cache_days=days)
    removed = expendable(entries, limits, NOW, wanted_bytes=wanted)
    by_key = {entry.key: entry for entry in entries}
    gone = [by_key[key] for key in removed]
    kept = [entry for entry in entries if entry.key not in set(removed)]

    assert not any(entry.in_use for entry in gone)
    assert [entry.last_used for entry in gone] == sorted(entry.last_used for entry in gone)
    assert all(entry.in_use or entry.last_used >= NOW - days * DAY_SECONDS for entry in kept)

    def enough(gone: list[Entry]) -> bool:
        freed = sum(entry.size for entry in gone)
        return freed >= wanted and sum(entry.size for entry in entries) - freed <= most

    assert enough(gone) or all(entry.in_use for entry in kept)
    if gone and gone[-1].last_used >= NOW - days * DAY_SECONDS:
        assert not enough(gone[:-1])


def test_twenty_thousand_entries() -> None:
    many = [Entry(f"{number}", 1, NOW - (number * 7919) % 20_011, number % 2 == 0) for number in range(20_000)]
    started = time.thread_time()

    assert len(expendable(many, CacheLimits(cache_bytes=15_000), NOW)) == 5_000
    assert time.thread_time() - started < 1  # a hundredth of that; minutes, if each was compared with each


@pytest.mark.parametrize(
    ("free", "paused", "pauses"),
    [
        (GB - 1, False, True),
        (GB, False, False),
        (GB, True, True),
        (5 * GB // 4 - 1, True, True),
        (5 * GB // 4, True, False),
        (2 * GB, False, False),
    ],
)
def test_intake_pauses_below_the_mark_and_goes_on_well_above_it(free: int, paused: bool, pauses: bool) -> None:
    assert under_pressure(free, GB, paused=paused) is pauses


@given(st.integers(0, 4 * GB), st.integers(0, 2 * GB), st.booleans())
def test_the_room_that_is_wanted_ends_the_pause(free: int, mark: int, paused: bool) -> None:
    wanted = wanted_room(free, mark, paused=paused)

    assert (wanted > 0) == under_pressure(free, mark, paused=paused)
    assert not under_pressure(free + wanted, mark, paused=paused or wanted > 0)
