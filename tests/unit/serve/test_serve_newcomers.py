"""Who may make themselves a user, and what the first admin is known by."""

from pathlib import Path
from typing import Any

import pytest

from framemill.cli.up import shown_once
from framemill.config import load_settings
from framemill.sealing import make_secret
from framemill.serve.farmfile import admin_password_of, make_admin_password
from framemill.serve.newcomers import registration

WORD = "the one I set"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "here"),
        ({"host": "127.0.0.2"}, "here"),
        ({"host": "0.0.0.0"}, "closed"),  # noqa: S104 - is judged, and not listened to
        ({"public_url": "https://farm.example"}, "closed"),
        ({"trusted_proxies": "127.0.0.1/32"}, "closed"),
        ({"registration": "open", "host": "0.0.0.0"}, "open"),  # noqa: S104
        ({"registration": "closed"}, "closed"),
    ],
)
def test_people_make_themselves_users_only_where_nobody_else_can(
    tmp_path: Path, said: dict[str, Any], expected: str
) -> None:
    assert registration(load_settings(data_dir=tmp_path, **said)) == expected


def test_a_first_password_is_made_once_and_at_random(tmp_path: Path) -> None:
    one, other = (load_settings(data_dir=tmp_path / name) for name in ("one", "other"))
    assert admin_password_of(one) == "", "nothing was made, and nothing is by looking"

    for settings in (one, other):
        settings.data_dir.mkdir()
        make_admin_password(settings)
    found = admin_password_of(one)
    make_admin_password(one)

    assert admin_password_of(one) == found != admin_password_of(other)
    assert len(found) >= 32
    assert one.folder.admin_password.stat().st_mode & 0o777 == 0o600


def test_a_first_password_that_was_set_is_not_written_down(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, admin_password=WORD)

    make_admin_password(settings)

    assert admin_password_of(settings) == WORD
    assert list(tmp_path.iterdir()) == []
    assert WORD not in repr(settings)


def test_what_a_first_start_has_made_is_shown_this_once(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    files = [settings.folder.admin_key, settings.folder.admin_password]
    for file in files:
        make_secret(file)

    told = dict(shown_once(settings, files))

    assert list(told.values()) == [file.read_text() for file in files]
    assert list(shown_once(settings, [])) == []
    assert len(list(shown_once(settings, files[1:]))) == 1, "a farm of an earlier release had its key already"
    assert list(shown_once(load_settings(data_dir=tmp_path, admin_key=WORD, admin_password=WORD), files)) == []
