"""Ids that viewers see, and what a video is found by."""

import re
from uuid import UUID

from framemill.jobs.model import new_id
from framemill.jobs.videos import SHORT, digits_of, long_id, short_id, words_of


def test_short_ids_follow_from_the_long_ones_and_sort_like_them() -> None:
    early, late = "019aaaaa-0000-7000-8000-000000000001", "019aaaab-0000-7000-8000-000000000001"
    assert short_id(early) == short_id(early) != short_id("019aaaaa-0000-7000-8000-000000000002")
    assert short_id(early) < short_id(late)
    assert re.fullmatch(SHORT, short_id(new_id()))


def test_an_upload_is_found_by_its_digits() -> None:
    for _ in range(100):
        digits = short_id(new_id())
        long = long_id(digits)
        assert (UUID(long).version, str(UUID(long)), UUID(long).variant) == (7, long, "specified in RFC 4122")
        assert digits_of(long) == digits
    assert len({long_id(short_id(new_id())) for _ in range(1000)}) == 1000


def test_letters_are_folded_as_no_database_does_it_alike() -> None:
    assert words_of("MÜLLER", None, ("Straße",)) == "müller\n\nstrasse"
