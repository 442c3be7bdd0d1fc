"""What URIs mean, in every store."""

import pytest

from framemill.errors import WrongUse
from framemill.storage.address import Address, address_of, name_of


@pytest.mark.parametrize(
    ("uri", "scheme", "host", "path"),
    [
        ("/films/a b.mp4", "file", "", "/films/a b.mp4"),
        ("file:///films/a%20b.mp4", "file", "", "/films/a b.mp4"),
        ("s3://bucket/a%20b/c?d#e.mp4", "s3", "bucket", "a%20b/c?d#e.mp4"),
        ("S3://bucket/folder/", "s3", "bucket", "folder/"),
        ("gs://bucket/a", "gs", "bucket", "a"),
        ("az://container/a", "az", "container", "a"),
        ("ftp://host:2121/a%20b", "ftp", "host:2121", "a b"),
        ("sftp://[::1]:22//home/x", "sftp", "[::1]:22", "/home/x"),
        ("https://host/a%20b?c=d", "https", "host", "a%20b?c=d"),
        ("gdrive://1aB", "gdrive", "1aB", ""),
    ],
)
def test_what_a_uri_means(uri: str, scheme: str, host: str, path: str) -> None:
    found = address_of(uri)

    assert (found.scheme, found.host, found.path) == (scheme, host, path)
    assert address_of(str(found)) == found


def test_who_is_named_in_it_is_not_shown() -> None:
    found = address_of("ftp://user:p%40ss@host/a")

    assert (found.user, found.password) == ("user", "p@ss")
    assert str(found) == "ftp://host/a"


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "films/a.mp4",
            "gopher://host/a",
            "s3:///a",
            "s3://b ucket/a",
            "file://elsewhere/a",
            "ftp:///a",
            "http://h:x/",
        ),
        *("", "://", "s3://", "https://\n/a", "ftp://h/a%0D%0ADELE b", "ftp://u%00@h/a", "file:///a%00b"),
    ],
)
def test_what_is_no_place_is_refused(uri: str) -> None:
    with pytest.raises(WrongUse):
        address_of(uri)


def test_below_a_folder() -> None:
    assert str(address_of("s3://b/out/").below("a.mp4")) == "s3://b/out/a.mp4"
    assert Address(scheme="s3", host="b").below("a").path == "a"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/films/a b.mp4", "a b.mp4"),
        ("https://host/films/a%20b.mp4?token=c/d", "a b.mp4"),
        ("s3://bucket/in/a%20b?.mp4", "a%20b?.mp4"),
        ("s3://bucket/folder/", "folder"),
        ("gdrive://1aB", ""),  # an id says no name: the output is called as one without a source's, output.mp4
        ("gopher://host/a", ""),
    ],
)
def test_what_the_thing_is_called_there(uri: str, name: str) -> None:
    assert name_of(uri) == name
