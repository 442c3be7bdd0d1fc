"""To whom closed networks are open: not to a key, whosever it is, but to who can read the farm's own secret."""

import asyncio
import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from front_door import KEY, FrontDoor, served, wanted
from made_store import made_store

from framemill.cli.finding import find_farm
from framemill.client import Framemill
from framemill.config import load_settings
from framemill.errors import WrongUse
from framemill.sealing import Seals, make_secret
from framemill.services.callers import OWNER, Caller
from framemill.services.desk import Desk, way_of
from framemill.services.jobs import Jobs
from framemill.services.proof import HEADER, is_proved, proof
from framemill.services.submission import JobChanges
from framemill.storage.access import GcsAccess, S3Access
from framemill.storage.keyring import Keyring, way_to
from framemill.store.jobs import load_job

PRIVATE = "http://192.168.1.5/film.mp4"


class Door(FrontDoor):
    def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
                return await client.post(path, json=body, headers={"Authorization": f"Bearer {KEY}", **headers})

        return asyncio.run(asked())


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    database = made_store(tmp_path / "farm.db")
    yield Door(database)
    database.close()


def sources(door: Door, job_id: str) -> Any:
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    return found


def test_a_source_in_a_private_network_is_refused_to_the_admins_key_over_the_api(door: Door) -> None:
    answer = door.post("/v1/jobs", wanted(inputs=[{"uri": PRIVATE}]))
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "inputs.0.uri")
    assert answer.json()["error"]["message"].endswith("FRAMEMILL_ALLOWED_NETWORKS=192.168.1.5/32")


@pytest.mark.parametrize("key", ["overlays.0.uri", "burn_subtitles"])
def test_what_is_laid_over_is_refused_like_a_source(key: str, door: Door) -> None:
    """They have a picture of the farm's own network drawn into their film."""
    named = "http://10.1.2.3/secret.srt"
    settings = {"burn_subtitles": named} if key == "burn_subtitles" else {"overlays": [{"uri": named}]}
    output = {"name": "a.mp4", "settings": settings}

    answer = door.post("/v1/jobs", wanted(outputs=[output]))
    held = door.post("/v1/jobs", wanted(start="held")).json()
    later = door.post(f"/v1/jobs/{held['id']}/outputs", output)

    assert (answer.status_code, answer.json()["error"]["param"]) == (422, f"outputs.0.settings.{key}")
    assert answer.json()["error"]["message"].endswith("FRAMEMILL_ALLOWED_NETWORKS=10.1.2.3/32")
    assert later.status_code == 422
    trusted = door.post("/v1/jobs", wanted(outputs=[output]), **{HEADER: proof(door.parts.seals)})
    assert trusted.status_code == 201, trusted.text


def test_it_is_taken_from_who_proves_to_read_the_farms_secret_and_marked_so(door: Door) -> None:
    answer = door.post("/v1/jobs", wanted(inputs=[{"uri": PRIVATE}]), **{HEADER: proof(door.parts.seals)})
    assert answer.status_code == 201, answer.text
    _, (source,), (output,) = sources(door, answer.json()["id"])
    assert (source.trusted, output.trusted) == (True, True)
    assert "trusted" not in answer.text
    assert Keyring(networks=()).entrance(way_to(source, "default")).reach is None


@pytest.mark.parametrize("named", ["forged", "other farm's", "other purpose", "empty"])
def test_what_is_no_proof_opens_nothing(named: str, door: Door) -> None:
    said = {
        "forged": proof(door.parts.seals)[:-3] + "AAA",
        "other farm's": proof(Seals("another farm's secret")),
        "other purpose": door.parts.seals.signed("link", True),
        "empty": "",
    }[named]
    assert door.post("/v1/jobs", wanted(inputs=[{"uri": PRIVATE}]), **{HEADER: said}).status_code == 422


def test_a_proof_is_good_for_a_minute() -> None:
    seals = Seals("a farm's secret")
    token = proof(seals)
    assert is_proved(seals, token)
    signer = seals._signer("here")
    stamp = int((datetime.now(UTC) - timedelta(seconds=120)).timestamp())

    class Earlier(type(signer.make_signer(None))):  # type: ignore[misc]
        def get_timestamp(self) -> int:
            return stamp

    signer.signer = Earlier
    assert not is_proved(seals, str(signer.dumps(True)))


def test_a_proof_opens_no_account(door: Door) -> None:
    """It is shown beside a key, and is none."""
    answer = door.post("/v1/jobs", wanted(), **{HEADER: proof(door.parts.seals), "Authorization": "Bearer wrong"})
    assert answer.status_code == 401


def test_an_output_that_a_stranger_has_made_does_not_become_trusted_by_a_small_edit_of_the_owner(
    door: Door,
) -> None:
    """They lay over it what lies in a private network, and wait until the owner renames it."""
    strange = {"name": "a.mp4", "settings": {"overlays": [{"uri": "http://logo.example/a.png"}]}}
    job = door.post("/v1/jobs", wanted(outputs=[strange], start="held")).json()
    jobs = Jobs(door.database, lambda _: None, caller=OWNER, desk=Desk(door.parts.seals, trusted=True))
    _, _, (output,) = sources(door, job["id"])
    assert not output.trusted
    again = {"id": output.id, **strange, "name": "b.mp4"}
    jobs.edited(job["id"], _changes(outputs=[again]))
    _, _, (output,) = sources(door, job["id"])
    assert (output.name, output.trusted) == ("b.mp4", False)


def _changes(**said: Any) -> JobChanges:
    return JobChanges.model_validate(said)


@pytest.mark.parametrize(
    "access",
    [
        S3Access(endpoint="http://169.254.169.254"),
        S3Access(endpoint="http://127.1:9000"),
        GcsAccess(endpoint="http://[::1]"),
    ],
)
def test_the_endpoint_of_a_store_is_judged_like_any_other_url(access: S3Access | GcsAccess) -> None:
    desk = Desk(Seals("a farm's secret"))
    uri = "s3://bucket/key" if isinstance(access, S3Access) else "gs://bucket/key"
    with pytest.raises(WrongUse):
        way_of(uri, access, "default", desk)
    trusted = Desk(Seals("a farm's secret"), trusted=True)
    if not isinstance(access, S3Access) or "127.1" not in access.endpoint:
        assert way_of(uri, access, "default", trusted).trusted


def test_networks_that_the_operator_opens_are_open_to_every_key(tmp_path: Path) -> None:
    desk = Desk(Seals("a farm's secret"), networks=(ipaddress.ip_network("192.168.0.0/16"),))
    way = way_of(PRIVATE, None, "default", desk)
    assert not way.trusted
    assert desk.keyring.entrance(way).reach is not None
    with pytest.raises(WrongUse):
        way_of("http://10.0.0.1/", None, "default", desk)


def test_the_command_line_proves_itself_by_the_secret_in_the_data_folder_and_to_this_machine_only(
    tmp_path: Path,
) -> None:
    make_secret(load_settings(data_dir=str(tmp_path)).folder.secret_key)
    seals = Seals((tmp_path / "secret.key").read_text("ascii"))
    here = find_farm("http://127.0.0.1:9", "a long key", str(tmp_path))
    afar = find_farm("http://farm.example", "a long key", str(tmp_path))
    assert here is not None
    assert afar is not None
    assert is_proved(seals, here.proof())
    assert afar.proof() is None
    (tmp_path / "secret.key").unlink()
    assert here.proof() is None


def test_the_client_shows_its_proof_with_what_it_asks_for(door: Door) -> None:
    with served(door) as url:
        with Framemill(url, KEY, proof=lambda: proof(door.parts.seals)) as farm:
            job = farm.submit(wanted(PRIVATE))
        with Framemill(url, KEY) as farm, pytest.raises(WrongUse, match="FRAMEMILL_ALLOWED_NETWORKS"):
            farm.submit(wanted(PRIVATE))
    _, (source,), _ = sources(door, job.id)
    assert source.trusted


def test_a_key_alone_is_nobody_on_the_machine() -> None:
    assert not Caller().here
