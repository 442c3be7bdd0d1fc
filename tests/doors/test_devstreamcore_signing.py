"""Signed playback over raw HTTP: which tokens open what, and what ends that (check 18)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from doors.devstreamcore import V1, Client, customer, refused
from doors.watched import FILES, POSTER, SEGMENT, ready, signing_key, token
from front_door import FrontDoor

from framemill.services.links import output_of
from framemill.services.signing_keys import LEEWAY_SECONDS
from framemill.store.signing_keys import load_signing_key


@pytest.fixture
def client(door: FrontDoor) -> Client:
    return customer(door, "acme")


@pytest.fixture
def video(door: FrontDoor, client: Client) -> dict[str, Any]:
    made = client.made(playback_policy="signed")
    ready(door, made["id"])
    return client.video(made["id"])


def play_id(video: dict[str, Any]) -> str:
    found: str = video["playback_ids"][0]["id"]
    return found


def fetched(door: Any, url: str, given: str | None = None) -> httpx.Response:
    """As a player does: without a key."""
    query = "" if given is None else f"?token={given}"
    answer: httpx.Response = door.ask("GET", urljoin("http://farm.example", url) + query, key=None)
    return answer


def master(video: dict[str, Any]) -> str:
    return f"{V1}/play/{play_id(video)}.m3u8"


def test_check_18a_a_good_token_opens_the_playlist_a_variant_and_a_segment(
    door: FrontDoor, client: Client, video: dict[str, Any]
) -> None:
    given = token(signing_key(client), play_id(video))

    sent = fetched(door, master(video), given)
    assert sent.status_code == 302
    playlist = fetched(door, sent.headers["location"])
    assert (playlist.status_code, playlist.content) == (200, FILES["master.m3u8"])
    variant = urljoin(sent.headers["location"], "360p/playlist.m3u8")
    assert fetched(door, variant).status_code == 200
    segment = fetched(door, urljoin(variant, "00000.m4s"))
    assert (segment.status_code, segment.content) == (200, SEGMENT)
    for rest in ("/360p.mp4", "/source"):
        assert fetched(door, f"{V1}/play/{play_id(video)}{rest}", given).status_code == 302, rest
    for rest in (".mpd", "/360p.m3u8"):
        assert fetched(door, f"{V1}/play/{play_id(video)}{rest}", given).status_code == 200, rest


FOREIGN = rsa.generate_private_key(65537, 2048)


def _none(key: dict[str, Any], sub: str) -> str:
    """Signed with nothing."""
    whole = token(key, sub)
    head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"%s"}' % key["id"].encode()).decode().rstrip("=")
    return f"{head}.{whole.split('.')[1]}."


def _confused(key: dict[str, Any], sub: str, public: bytes) -> str:
    """HS256 with the public key for a secret, which libraries have been taken in by; made by hand, since ours refuses
    to."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": key["id"]}).encode())
    body = token(key, sub).split(".")[1]
    mac = hmac.new(public, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{part(mac)}"


def _foreign(key: dict[str, Any], sub: str) -> str:
    claims = {"sub": sub, "aud": "v", "exp": int(datetime.now(UTC).timestamp()) + 60}
    return jwt.encode(claims, FOREIGN, "RS256", {"kid": key["id"]})


def _tampered(key: dict[str, Any], sub: str) -> str:
    """Another playback's token, with this one's claims."""
    head, _, signature = token(key, "play_" + "0a" * 10).split(".")
    return f"{head}.{token(key, sub).split('.')[1]}.{signature}"


WRONG: dict[str, Callable[[dict[str, Any], str], str]] = {
    "expired": lambda key, sub: token(key, sub, seconds=-LEEWAY_SECONDS - 1),
    "for another playback": lambda key, _: token(key, "play_" + "0a" * 10),
    "for the video, not its playback": lambda key, sub: token(key, sub.replace("play_", "vid_")),
    "for a thumbnail": lambda key, sub: token(key, sub, aud="t"),
    "for something unknown": lambda key, sub: token(key, sub, aud="x"),
    "without an end": lambda key, sub: token(key, sub, exp=None),
    "whose end is no time": lambda key, sub: token(key, sub, exp="tomorrow"),
    "whose end no number holds": lambda key, sub: token(key, sub, exp=10**400),
    "whose beginning no number holds": lambda key, sub: token(key, sub, nbf=10**400),
    "whose end is true": lambda key, sub: token(key, sub, exp=True),
    "without a subject": lambda key, sub: token(key, sub, sub=None),
    "without an audience": lambda key, sub: token(key, sub, aud=None),
    "whose time has not come": lambda key, sub: token(key, sub, nbf=int(datetime.now(UTC).timestamp()) + 60),
    "of an unknown key": lambda key, sub: token(key, sub, headers={"kid": "key_" + "0a" * 10}),
    "of a key without its word": lambda key, sub: token(key, sub, headers={"kid": key["id"].removeprefix("key_")}),
    "whose key is no text": lambda key, sub: token(key, sub, headers={"kid": "key_" + "x" * 5000}),
    "signed with a foreign key": _foreign,
    "signed with nothing": _none,
    "with other claims": _tampered,
    "signed by another algorithm": lambda key, sub: token(key, sub, algorithm="RS512"),
    "cut off": lambda key, sub: token(key, sub)[:-4],
    "no token": lambda _, __: "x.y.z",
    "empty": lambda _, __: "",
}


def test_check_18b_any_other_token_opens_nothing(door: FrontDoor, client: Client, video: dict[str, Any]) -> None:
    key = signing_key(client)
    taken = {}
    for kind, make in WRONG.items():
        answer = fetched(door, master(video), make(key, play_id(video)))
        taken[kind] = (answer.status_code, answer.json()["error"]["type"])
    assert taken == dict.fromkeys(WRONG, (403, "permission_error"))
    assert client.video(video["id"])["view_count"] == 0


def test_check_18c_no_token_opens_nothing(door: FrontDoor, client: Client, video: dict[str, Any]) -> None:
    for url in (
        video["playback"]["hls"],
        video["playback"]["dash"],
        *(one[name] for one in video["playback"]["mp4"] for name in ("url", "hls")),
        video["thumbnail_url"],
        video["source_url"],
    ):
        refused(fetched(door, url), 403, "permission_error")


def test_check_18d_a_public_key_is_no_secret(door: FrontDoor, client: Client, video: dict[str, Any]) -> None:
    key = signing_key(client)
    with door.database.reading() as conn:
        stored = load_signing_key(conn, key["id"].removeprefix("key_"))
    assert stored is not None
    given = _confused(key, play_id(video), stored.public_key.encode())
    refused(fetched(door, master(video), given), 403, "permission_error")


def test_check_18e_another_accounts_key_opens_nothing(door: FrontDoor, video: dict[str, Any]) -> None:
    theirs = signing_key(customer(door, "other"))
    refused(fetched(door, master(video), token(theirs, play_id(video))), 403, "permission_error")


def test_check_18f_public_playback_needs_no_token_and_minds_none(door: FrontDoor, client: Client) -> None:
    public = client.made()
    ready(door, public["id"])
    assert fetched(door, master(public)).status_code == 302
    assert fetched(door, master(public), "x.y.z").status_code == 302


def test_a_thumbnail_has_an_audience_of_its_own(door: FrontDoor, client: Client, video: dict[str, Any]) -> None:
    key = signing_key(client)
    sent = fetched(door, video["thumbnail_url"], token(key, play_id(video), aud="t"))
    assert fetched(door, sent.headers["location"]).content == POSTER
    refused(fetched(door, video["thumbnail_url"], token(key, play_id(video))), 403, "permission_error")
    both = token(key, play_id(video), aud=["v", "t"])
    assert fetched(door, video["thumbnail_url"], both).status_code == 302


def test_the_link_ends_when_the_token_does(door: FrontDoor, client: Client, video: dict[str, Any]) -> None:
    end = int(datetime.now(UTC).timestamp()) + 3600
    sent = fetched(door, master(video), token(signing_key(client), play_id(video), exp=end))
    name = sent.headers["location"].split("/")[-2]
    last = datetime.fromtimestamp(end + LEEWAY_SECONDS - 1, UTC)
    assert output_of(door.parts.seals, name, last).grant is not None
    with pytest.raises(Exception, match="has expired"):
        output_of(door.parts.seals, name, datetime.fromtimestamp(end + LEEWAY_SECONDS, UTC))


def test_nobody_between_keeps_what_a_token_opens(door: FrontDoor, client: Client, video: dict[str, Any]) -> None:
    given = token(signing_key(client), play_id(video))
    there = fetched(door, master(video), given).headers["location"]
    for path in ("master.m3u8", "360p/00000.m4s", "360p.mp4"):
        assert fetched(door, urljoin(there, path)).headers["cache-control"] == "private, no-cache"

    public = client.post(f"/videos/{video['id']}/playback-ids", {"policy": "public"}).json()["id"]
    there = fetched(door, f"{V1}/play/{public}.m3u8").headers["location"]
    assert fetched(door, urljoin(there, "360p/00000.m4s")).headers["cache-control"] == "public, max-age=86400"


def test_a_token_may_be_good_for_ever(door: FrontDoor, client: Client, video: dict[str, Any]) -> None:
    given = token(signing_key(client), play_id(video), exp=10**18)
    sent = fetched(door, master(video), given)
    assert fetched(door, sent.headers["location"]).status_code == 200


def test_a_revoked_key_opens_nothing_and_ends_what_it_has_opened(
    door: FrontDoor, client: Client, video: dict[str, Any]
) -> None:
    key, other = signing_key(client), signing_key(client)
    first = fetched(door, master(video), token(key, play_id(video))).headers["location"]
    second = fetched(door, master(video), token(other, play_id(video))).headers["location"]
    assert client.ask("DELETE", f"/signing-keys/{key['id']}").status_code == 204

    refused(fetched(door, master(video), token(key, play_id(video))), 403, "permission_error")
    assert fetched(door, urljoin(first, "360p/00000.m4s")).status_code == 404
    assert fetched(door, urljoin(second, "360p/00000.m4s")).status_code == 200
    refused(client.ask("DELETE", f"/signing-keys/{key['id']}"), 404, "not_found")
    assert [one["id"] for one in client.get("/signing-keys").json()["data"]] == [other["id"]]


def test_a_signing_key_is_told_once_and_only_its_public_half_is_kept(door: FrontDoor, client: Client) -> None:
    made = signing_key(client)
    assert set(made) == {"id", "private_key", "created_at"}
    private = load_pem_private_key(base64.b64decode(made["private_key"]), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 2048
    assert client.get("/signing-keys").json() == {"data": [{"id": made["id"], "created_at": made["created_at"]}]}
    with door.database.reading() as conn:
        stored = load_signing_key(conn, made["id"].removeprefix("key_"))
    assert stored is not None
    assert "PRIVATE" not in stored.model_dump_json()


def test_signing_keys_are_their_accounts_own(door: FrontDoor, client: Client) -> None:
    made, other = signing_key(client), customer(door, "other")
    assert other.get("/signing-keys").json() == {"data": []}
    refused(other.ask("DELETE", f"/signing-keys/{made['id']}"), 404, "not_found")
    refused(client.ask("DELETE", "/signing-keys/key_x"), 404, "not_found")
