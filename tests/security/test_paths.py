"""Paths on the farm's machine: a client names those below the operator's folders, and no others, whatever is there."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from front_door import KEY, FrontDoor
from made_store import made_store

from framemill.api.app import create_app
from framemill.errors import PathRefused, SourceRefused
from framemill.farm.fetching import fetched
from framemill.services.proof import HEADER, proof
from framemill.storage.keyring import Keyring, Way
from framemill.storage.roots import Roots


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the operator has opened. Beside it lies what is none of their clients'; in it the farm's own data
    folder, as an operator may have put it."""
    folder = tmp_path_factory.mktemp("machine") / "media"
    (folder / "farm").mkdir(parents=True)
    (folder / "film.mov").write_bytes(b"film!")
    (folder / "farm" / "admin.key").write_text("the farm's own key")
    (folder / "link.mov").symlink_to(folder.parent / "secret.mov")
    (folder / "up").symlink_to(folder.parent)
    (folder.parent / "secret.mov").write_bytes(b"secret")
    return folder


@pytest.fixture(scope="module")
def door(media: Path) -> Iterator[FrontDoor]:
    database = made_store(media / "farm" / "farm.db")
    made = FrontDoor(database)
    made.parts = replace(made.parts, roots=Roots((media,), closed=(media / "farm",)))
    made.app = create_app(made.parts)
    yield made
    database.close()


def ask(
    door: FrontDoor, body: dict[str, Any], path: str = "/v1/jobs", *, method: str = "POST", here: bool = False
) -> Any:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    headers |= {HEADER: proof(door.parts.seals)} if here else {}

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
            return await client.request(method, path, headers=headers, content=json.dumps(body))

    return asyncio.run(asked())


def job(source: str, target: str | None = None, **output: Any) -> dict[str, Any]:
    return {"inputs": [{"uri": source}], "outputs": [{"target": target, **output} if target else output]}


def test_a_path_in_an_open_folder_is_taken(door: FrontDoor, media: Path) -> None:
    answer = ask(door, job(f"{media}/film.mov", f"{media}/out/film.mp4"))

    assert answer.status_code == 201, answer.text


#: What an attacker tries to read or to overwrite; `M` is the open folder.
OUTSIDE = {
    "a film beside the folder": "M/../secret.mov",
    "a system file": "/etc/passwd",
    "what is not there": "/nowhere/at/all.mov",
    "dots in a file: URL": "file://M/%2e%2e/secret.mov",
    "a link to a file": "M/link.mov",
    "a link to a folder": "M/up/secret.mov",
    "a folder with the same beginning": "M-private/film.mov",
    "the farm's own key": "M/farm/admin.key",
    "the farm's own key, by dots": "M/farm/../farm/admin.key",
    "the farm's database": "M/farm/farm.db",
    "another process": "/proc/self/environ",
    "a descriptor": "/dev/fd/0",
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_no_other_path_is_a_source(case: str, door: FrontDoor, media: Path) -> None:
    """An account, and even whoever holds the farm's key elsewhere, names a file that is none of theirs."""
    answer = ask(door, job(OUTSIDE[case].replace("M", str(media)), f"{media}/out.mp4"))

    assert answer.status_code == 403, answer.text
    assert answer.json()["error"]["param"] == "inputs.0.uri"
    assert "FRAMEMILL_MEDIA_ROOTS" in answer.json()["error"]["message"]


@pytest.mark.parametrize("case", [case for case in OUTSIDE if case != "a link to a file"])
def test_no_other_path_is_a_target(case: str, door: FrontDoor, media: Path) -> None:
    """They name what an output of theirs shall overwrite."""
    target = OUTSIDE[case].replace("M", str(media))

    answer = ask(door, job("https://example.org/in.mov", f"{target}.mp4"))

    assert answer.status_code == 403, answer.text


def test_a_target_that_is_a_link_is_followed_before_it_is_judged(door: FrontDoor, media: Path) -> None:
    (media / "taken.mp4").symlink_to(media.parent / "victim.mp4")

    assert ask(door, job("https://example.org/in.mov", f"{media}/taken.mp4")).status_code == 403


@pytest.mark.parametrize("key", ["overlays", "burn_subtitles"])
def test_what_is_laid_over_is_judged_as_well(key: str, door: FrontDoor, media: Path) -> None:
    """They read a picture or a text by having it drawn into their film."""
    named = f"{media.parent}/secret.srt"
    settings = {"overlays": [{"uri": named}]} if key == "overlays" else {"burn_subtitles": named}

    answer = ask(door, job("https://example.org/in.mov", None, settings=settings))

    assert answer.status_code == 403, answer.text
    assert answer.json()["error"]["param"].startswith(f"outputs.0.settings.{key}")


def test_a_probe_is_no_way_around(door: FrontDoor, media: Path) -> None:
    """They do not encode it, they only ask what is in it."""
    answer = ask(door, {"uri": f"{media.parent}/secret.mov"}, "/v1/probe")

    assert answer.status_code == 403, answer.text


def test_an_edit_is_no_way_around(door: FrontDoor, media: Path) -> None:
    """They submit what is allowed, and change it while the job is held."""
    made = ask(door, {**job(f"{media}/film.mov", f"{media}/a.mp4"), "start": "held"}).json()
    secret = f"{media.parent}/secret.mov"
    changes = {"inputs": [{"id": made["inputs"][0]["id"], "uri": secret}]}
    at = f"/v1/jobs/{made['id']}"
    way = {
        "whole": ask(door, changes, at, method="PATCH"),
        "part": ask(door, {"uri": secret}, f"{at}/inputs/{made['inputs'][0]['id']}", method="PATCH"),
        "more": ask(door, {"uri": secret}, f"{at}/inputs"),
        "out": ask(door, {"target": f"{secret}.mp4"}, f"{at}/outputs/{made['outputs'][0]['id']}", method="PATCH"),
    }

    assert {name: answer.status_code for name, answer in way.items()} == dict.fromkeys(way, 403)


def test_a_refusal_does_not_tell_what_is_there(door: FrontDoor, media: Path) -> None:
    """They ask for one path after another, to learn which there are."""
    there = ask(door, job(f"{media.parent}/secret.mov")).json()["error"]["message"]
    not_there = ask(door, job(f"{media.parent}/nothing.mov")).json()["error"]["message"]

    assert there.replace("secret", "nothing") == not_there


def test_the_farms_own_user_names_any_path(door: FrontDoor, media: Path) -> None:
    """`framemill encode` on the farm's machine: who can read the farm's secret needs no farm to read a file."""
    assert ask(door, job(f"{media.parent}/secret.mov", f"{media.parent}/out.mp4"), here=True).status_code == 201


def test_nothing_is_open_unless_the_operator_says_so(tmp_path: Path) -> None:
    (tmp_path / "film.mov").write_bytes(b"film!")

    with pytest.raises(PathRefused, match=f"FRAMEMILL_MEDIA_ROOTS={tmp_path}"):
        Roots().resolved(f"{tmp_path}/film.mov")


def test_a_null_byte_is_refused_and_no_fault(door: FrontDoor) -> None:
    """They try to cut the path off where C would."""
    answer = ask(door, job("/etc/passwd\0.mov"))

    assert answer.status_code in {403, 422}, answer.text


def test_a_path_that_leads_elsewhere_by_now_is_refused(tmp_path: Path) -> None:
    """They name a folder that is allowed, and put a link in its place before the farm gets there."""
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "film.mov"
    path.write_bytes(b"film!")
    way = Way(uri=str(path))
    assert asyncio.run(fetched(way, Keyring(), tmp_path / "work")).path == str(path)

    (tmp_path / "mine").rename(tmp_path / "away")
    (tmp_path / "mine").symlink_to(tmp_path / "away")

    with pytest.raises(SourceRefused, match="leads elsewhere"):
        asyncio.run(fetched(way, Keyring(), tmp_path / "work"))
    assert asyncio.run(fetched(way.model_copy(update={"trusted": True}), Keyring(), tmp_path / "work")).path == str(
        path
    )
