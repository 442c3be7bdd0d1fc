"""What FTP servers say of their files."""

from datetime import UTC, datetime

import pytest

from framemill.storage.ftplisting import Entry, entries_of_facts, entries_of_list, entry_of_facts, time_of

NOON = datetime(2026, 5, 9, 12, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("type=file;size=12;modify=20260509120007; a b.mov", Entry("a b.mov", False, 12, NOON)),
        (" Type=File;Size=12;Modify=20260509120007.123; /films/a=b;c.mov", Entry("a=b;c.mov", False, 12, NOON)),
        ("type=dir;sizd=4096;perm=el; films", Entry("films", True)),
        ("size=12; a", Entry("a", False, 12)),
        ("type=file;size=-1;modify=yesterday; a", Entry("a", False)),
        ("type=file;size=²; a", Entry("a", False)),
        ("type=cdir; .", None),
        ("type=pdir; ..", None),
        ("type=OS.unix=slink:/etc; etc", None),
        ("type=file;size=1; ", None),
        ("type=file;size=1; ..", None),
        ("type=file;size=1; a\tb", None),
        ("", None),
    ],
)
def test_facts(line: str, entry: Entry | None) -> None:
    assert entry_of_facts(line) == entry


def test_of_many_facts_those_of_files_and_folders_count() -> None:
    lines = ["type=cdir; /films", "type=file;size=1; a", "type=dir; b"]
    assert list(entries_of_facts(lines)) == [Entry("a", False, 1), Entry("b", True)]


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("-rw-r--r--   1 ada      users        12 May  9 12:00 a  b.mov", Entry("a  b.mov", False, 12)),
        ("-rw-r--r--   1 ada      users        12 May  9  2026  led by a blank", Entry(" led by a blank", False, 12)),
        ("-rw-------. 1 1000 1000 5368709120 Jan 31 2025 big", Entry("big", False, 5368709120)),
        ("-rw-r--r-- 1 ada domain users 12 May 09 12:00 Jan 1 2020 x", Entry("Jan 1 2020 x", False, 12)),
        ("-rw-r--r--   1 ada users  12 9 Mai 12:00 foreign", Entry("foreign", False, 12)),
        ("drwxr-xr-x+  2 ada users 4096 May  9 12:00 films", Entry("films", True)),
        ("lrwxrwxrwx   1 ada users    5 May  9 12:00 link -> films", None),
        ("-rw-r--r--   1 ada users   12 May  9 12:00 ../x", None),
        ("drwxr-xr-x   2 ada users 4096 May  9 12:00 ..", None),
        ("05-09-26  12:00PM                   12 a b.mov", Entry("a b.mov", False, 12)),
        ("05-09-2026  12:00                   12 a b.mov", Entry("a b.mov", False, 12)),
        ("05-09-26  12:00PM       <DIR>          films", Entry("films", True)),
        ("total 12", None),
        ("", None),
    ],
)
def test_listings_of_before(line: str, entry: Entry | None) -> None:
    assert list(entries_of_list([line])) == ([] if entry is None else [entry])


def test_a_long_line_of_nonsense_is_read_in_no_time() -> None:
    """Whoever has the server writes its lines."""
    line = "-rw-r--r-- " + "1 " * 4000
    assert list(entries_of_list([line] * 20)) == []


@pytest.mark.parametrize(
    ("written", "time"), [("20260509120007", NOON), ("20260509120007.5", NOON), ("20261309120007", None), ("", None)]
)
def test_times(written: str, time: datetime | None) -> None:
    assert time_of(written) == time
