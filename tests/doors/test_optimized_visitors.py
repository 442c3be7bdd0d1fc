"""Who is let in at the door of optimized versions, and as whom (checks 1 to 3 of its contract)."""

import asyncio
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.optimized import NOBODY, App, done, set_up
from servers.jellyfin import Jellyfin, running_jellyfin
from servers.scripted import scripted

from framemill.api.door import refuse_unfit_settings
from framemill.api.doors import DOORS
from framemill.api.optimized.options import options_of
from framemill.api.optimized.tokens import token_of
from framemill.api.optimized.visitors import KNOWN_SECONDS, REFUSED_SECONDS, Visitors
from framemill.errors import FarmError, InvalidSetting, KeyRefused
from framemill.services.accounts import Accounts
from framemill.services.callers import ADMIN

T = "a0b1c2d3e4f5"
ROUTES = (
    ("POST", "/optimize-version"),
    ("GET", f"/job-status/{NOBODY}"),
    ("GET", "/all-jobs"),
    ("POST", f"/start-job/{NOBODY}"),
    ("DELETE", f"/cancel-job/{NOBODY}"),
    ("GET", f"/download/{NOBODY}"),
    ("GET", "/statistics"),
    ("DELETE", "/delete-cache"),
)


@pytest.fixture
def jellyfin() -> Iterator[Jellyfin]:
    with running_jellyfin() as server:
        server.users[T] = "11111111-2222-3333-4444-555555555555"
        yield server


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_check_1_nobody_is_let_in_without_a_good_token(
    door: AskedDoor, jellyfin: Jellyfin, method: str, path: str
) -> None:
    set_up(door, jellyfin)
    without = door.ask(method, f"/optimized{path}", key=None)
    wrong = App(door, "of-nobody").ask(method, path)
    jellyfin.down = True
    away = App(door, T).ask(method, path)

    assert (without.status_code, wrong.status_code, away.status_code) == (401, 401, 503)
    assert wrong.json() == {"message": wrong.json()["message"], "error": "Unauthorized", "statusCode": 401}


def test_check_1_a_server_that_is_not_there_lets_nobody_in(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, None, jellyfin_url="http://127.0.0.1:9")
    assert App(door, T).ask("GET", "/all-jobs").status_code == 503
    set_up(door, None)
    assert App(door, T).ask("GET", "/all-jobs").status_code == 401
    assert not jellyfin.asked


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": T},
        {"Authorization": f'MediaBrowser Token="{T}"'},
        {"Authorization": f"MediaBrowser Token={T}"},
        {"Authorization": f'MediaBrowser Client="c", Device="My, Token", DeviceId="d", Version="1", Token="{T}"'},
        {"Authorization": f'Emby UserId="", Token="{T}"'},
        {"Authorization": f"Bearer {T}"},
        {"X-Emby-Token": T},
        {"X-MediaBrowser-Token": T},
        {"X-Emby-Authorization": f'MediaBrowser Client="c", Token="{T}"'},
    ],
)
def test_check_2_the_token_is_taken_in_every_form(door: AskedDoor, jellyfin: Jellyfin, headers: dict[str, str]) -> None:
    set_up(door, jellyfin)
    answer = door.ask("GET", "/optimized/all-jobs", key=None, headers=headers)

    assert (answer.status_code, answer.json()) == (200, [])
    assert [(one.target, one.token) for one in jellyfin.asked] == [("/Users/Me", T)]


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Basic dTpw"}, {"authorization": 'MediaBrowser Client="c"'}, {"x-emby-token": "a b"}],
)
def test_what_is_no_token(headers: dict[str, str]) -> None:
    assert token_of(headers) == ""


def test_check_2_ten_polls_ask_the_server_once(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin)
    app = App(door, T)
    for _ in range(10):
        app.poll()

    assert len(jellyfin.asked) == 1  # of each replica, of which there are two


def test_check_2_a_revoked_token_is_refused_within_a_minute(jellyfin: Jellyfin, door: AskedDoor) -> None:
    assert KNOWN_SECONDS < 60
    visitors = Visitors(known_seconds=0.0, refused_seconds=0.0)

    def known() -> Any:
        return asyncio.run(visitors.known(T, jellyfin.url, door.database))

    assert known().caller.account == "optimized:11111111222233334444555555555555"
    jellyfin.users.clear()
    with pytest.raises(KeyRefused):
        known()
    jellyfin.down = True
    with pytest.raises(FarmError):
        known()


def test_where_the_server_is_is_told_to_the_operator_alone(
    door: AskedDoor, jellyfin: Jellyfin, caplog: pytest.LogCaptureFixture
) -> None:
    closed = f"http://farm:p4ssw0rd@127.0.0.1:{jellyfin.port}/inner"
    jellyfin.down = True
    set_up(door, None, jellyfin_url=closed)
    away = App(door, T).ask("GET", "/all-jobs")
    set_up(door, None, jellyfin_url="http://farm:p4ssw0rd@127.0.0.1:9/inner")
    gone = App(door, T).ask("GET", "/all-jobs")

    for answer in (away, gone):
        assert answer.status_code == 503
        assert not re.search(r"127\.0\.0\.1|inner|p4ssw0rd|farm:", answer.text), answer.text
    assert f"***@127.0.0.1:{jellyfin.port}/inner (503)" in caplog.text
    assert "***@127.0.0.1:9/inner (ConnectError)" in caplog.text
    assert "p4ssw0rd" not in caplog.text


def test_a_server_below_a_path_that_nobody_has_named_says_what_to_set(
    door: AskedDoor, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted() as server:
        server.elsewhere["/Users/Me"] = f"{server.url}/jellyfin/web/"
        set_up(door, None, jellyfin_url=server.url)
        answer = App(door, T).ask("GET", "/all-jobs")

    assert answer.status_code == 503
    assert "base path" in answer.json()["message"]
    assert "doors.optimized.jellyfin_url" in answer.json()["message"]
    assert "127.0.0.1" not in answer.text
    (line,) = [one for one in caplog.messages if "base path" in one]
    assert server.url in line
    assert "doors.optimized.jellyfin_url" in line


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_while_the_server_is_away_a_film_goes_to_whoever_has_the_token_that_it_was_posted_with(
    door: AskedDoor, jellyfin: Jellyfin, method: str
) -> None:
    jellyfin.users |= {"of-b": "b" * 32, "newer-of-a": jellyfin.users[T]}
    set_up(door, jellyfin)
    app = App(door, T)
    job_id = app.post()
    done(door, job_id)
    away(door, jellyfin)

    answer = app.ask(method, f"/download/{job_id}")
    assert (answer.status_code, answer.headers["content-length"]) == (200, "6")
    for token in ("of-b", "newer-of-a", "of-nobody"):
        assert App(door, token).ask(method, f"/download/{job_id}").status_code == 503
    assert app.ask(method, f"/download/{NOBODY}").status_code == 503
    assert app.ask(method, "/download/no-id").status_code == 503
    others = [one for one in ROUTES if "download" not in one[1]]
    assert {app.ask(way, path.replace(NOBODY, job_id)).status_code for way, path in others} == {503}
    away(door, jellyfin, seals=type(door.parts.seals)("another secret"))
    assert app.ask(method, f"/download/{job_id}").status_code == 503


def test_a_token_that_the_server_refuses_opens_no_film(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin)
    app = App(door, T)
    job_id = app.post()
    done(door, job_id)
    jellyfin.users.clear()
    set_up(door, jellyfin)  # another replica
    assert app.ask("GET", f"/download/{job_id}").status_code == 401


def test_who_is_suspended_fetches_nothing_while_the_server_is_away(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin)
    app = App(door, T)
    job_id = app.post()
    done(door, job_id)
    Accounts(door.database, ADMIN).changed("optimized:11111111222233334444555555555555", state="suspended")
    away(door, jellyfin)
    assert app.ask("GET", f"/download/{job_id}").status_code == 403


def away(door: AskedDoor, jellyfin: Jellyfin, **parts: Any) -> None:
    """Another replica, which has asked nothing yet, and is not answered."""
    jellyfin.down = True
    door.parts = dataclasses.replace(door.parts, **parts)
    set_up(door, jellyfin)


def test_an_address_that_phones_have_kept_leads_here_where_every_host_name_is_this_doors(
    door: AskedDoor, jellyfin: Jellyfin
) -> None:
    door.parts = dataclasses.replace(door.parts, hosts={"*": "optimized"})
    set_up(door, jellyfin)
    for path in ("/all-jobs?deviceId=D1", "/optimized/all-jobs?deviceId=D1"):
        assert door.ask("GET", path, key=None, headers={"Authorization": T, "Host": "host:3000"}).json() == []


def test_a_token_that_was_refused_is_asked_about_once_in_a_few_seconds(jellyfin: Jellyfin, door: AskedDoor) -> None:
    assert 0 < REFUSED_SECONDS <= 5
    visitors, forgetful = Visitors(), Visitors(refused_seconds=0.0)

    async def refused(who: Visitors, token: str) -> None:
        for _ in range(3):
            with pytest.raises(KeyRefused):
                await who.known(token, jellyfin.url, door.database)

    asyncio.run(refused(visitors, "of-nobody"))
    assert len(jellyfin.asked) == 1
    asyncio.run(refused(visitors, "of-another"))
    assert len(jellyfin.asked) == 2
    asyncio.run(refused(forgetful, "of-nobody"))
    assert len(jellyfin.asked) == 5
    assert asyncio.run(visitors.known(T, jellyfin.url, door.database)), "who has one is let in at once"


def test_a_server_that_is_away_is_asked_again(jellyfin: Jellyfin, door: AskedDoor) -> None:
    visitors = Visitors()
    jellyfin.down = True
    with pytest.raises(FarmError):
        asyncio.run(visitors.known(T, jellyfin.url, door.database))
    jellyfin.down = False
    assert asyncio.run(visitors.known(T, jellyfin.url, door.database))


@pytest.mark.parametrize(
    "url",
    [
        "http://:8096", "http://jf:99999", "http://jf:0", "http://jf:port", "http://jf?x=1", "http://jf/#there",
        "http://jf/?", "http://j f", "http://[jf", "http://jf/a\nb", "http://user@", "http://xn--/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_server_is_refused_before_anybody_asks(door: AskedDoor, url: str) -> None:
    with pytest.raises(InvalidSetting, match=r"doors\.optimized\.jellyfin_url: should be"):
        set_up(door, None, jellyfin_url=url)


@pytest.mark.parametrize("url", ["http://[::1]:8096", "https://u:p@jf.example/jellyfin/", "http://jellyfin:8096"])
def test_what_is_one_is_taken(url: str) -> None:
    assert options_of({"jellyfin_url": url}).jellyfin_url == url.rstrip("/")


def test_a_user_comes_unannounced_and_can_be_suspended(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin)
    assert App(door, T).ask("GET", "/statistics").status_code == 200
    accounts = Accounts(door.database, ADMIN)
    mine = "optimized:11111111222233334444555555555555"
    assert accounts.shown(mine).id == mine
    accounts.changed(mine, state="suspended")
    set_up(door, jellyfin)  # another replica

    answer = App(door, T).ask("GET", "/statistics")
    assert (answer.status_code, answer.json()["statusCode"]) == (403, 403)


def test_check_3_statistics_are_texts_and_numbers(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin)
    told = App(door, T).ask("GET", "/statistics?deviceId=x").json()

    assert re.fullmatch(r"\d+\.\d{2} (B|KB|MB|GB|TB)", told.pop("cacheSize"))
    assert told == {"totalTranscodes": 0, "activeJobs": 0, "completedJobs": 0, "uniqueDevices": 0}
    assert all(type(one) is int for one in told.values())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"jellyfin_url": "jf:8096"}, "jellyfin_url"),
        ({"max_cached_per_user": "many"}, "max_cached_per_user"),
        ({"remove_file_after_right_download": "perhaps"}, "remove_file_after_right_download"),
        ({"time_to_keep_files": "0"}, "time_to_keep_files"),
        ({"active_jobs": "0"}, "active_jobs"),
        ({"cache": "1"}, "cache"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(door: AskedDoor, wrong: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"doors\.optimized\.{says}"):
        set_up(door, None, **wrong)


def test_settings_of_no_door_are_refused() -> None:
    refuse_unfit_settings({"convertrilo": {"active_jobs": 2}, "optimized": {"active_jobs": "3"}}, DOORS)
    with pytest.raises(InvalidSetting, match="no-such-door"):
        refuse_unfit_settings({"no-such-door": {}}, DOORS)
    with pytest.raises(InvalidSetting, match=r"convertrilo\.jellyfin_url"):
        refuse_unfit_settings({"convertrilo": {"jellyfin_url": "http://jf"}}, DOORS)
