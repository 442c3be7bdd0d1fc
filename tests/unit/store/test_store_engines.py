"""Which database an address means."""

import sys

import pytest
from sqlalchemy import make_url

from framemill.errors import WrongUse
from framemill.store.database import Database
from framemill.store.engines import parse_url


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_is_spoken_to_by_one_driver(scheme: str) -> None:
    url = parse_url(f"{scheme}://me:secret@db.example:5433/farm?sslmode=require")
    assert url.render_as_string(hide_password=False) == (
        "postgresql+psycopg://me:secret@db.example:5433/farm?sslmode=require"
    )


def test_other_databases_are_refused() -> None:
    with pytest.raises(WrongUse, match="neither SQLite nor PostgreSQL") as refused:
        parse_url("mysql://me:secret@db.example/farm")
    assert "secret" not in refused.value.message


def test_a_word_that_is_no_address_is_refused_and_not_shown() -> None:
    with pytest.raises(WrongUse, match=r"postgresql://user.*sqlite:////path") as refused:
        parse_url("me:secret@db.example/farm")
    assert "secret" not in refused.value.message


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(WrongUse, match=r"pip install 'framemill\[postgres\]'") as refused:
        Database("postgresql://me:secret@db.example/farm")
    assert "secret" not in refused.value.message


def test_a_name_for_people_hides_the_password() -> None:
    database = Database(make_url("postgresql://me:secret@db.example/farm"))
    assert database.name == "postgresql+psycopg://me:***@db.example/farm"
    assert not database.is_sqlite
