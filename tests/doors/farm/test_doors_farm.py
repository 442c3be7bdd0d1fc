"""The farm that the doors' other tests stand on: it is there, with what is around it."""

import httpx
from doors.around import S3, DoorFarm, Receiver, got


def test_the_farm_its_accounts_and_its_sources_are_there(farm: DoorFarm, http: httpx.Client, src: str, s3: S3) -> None:
    customer = farm.customer(credits=5000)
    shown = http.get(f"/framemill/v1/accounts/{customer.account}", headers=customer.bearer)
    assert shown.json()["balance"] == 5000
    told = http.get("/framemill/v1/farm", headers=farm.bearer).json()
    assert told["slots"]
    assert got(src, headers={"Range": "bytes=0-3"}).status_code == 206
    bucket = s3.bucket()
    s3.put(bucket, {"a/b.mp4": b"1"})
    assert s3.keys(bucket) == ["a/b.mp4"]
    assert http.get("/v1/jobs", headers={**customer.bearer, "Host": "api.devstreamcore.com"}).status_code == 404


def test_a_receiver_answers_as_it_is_told(receiver: Receiver) -> None:
    receiver.answers = [500]
    assert [httpx.post(receiver.url, content=b"x").status_code for _ in range(2)] == [500, 200]
    assert receiver.wait_for(lambda one: one.method == "POST").body == b"x"
