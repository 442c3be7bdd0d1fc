"""What it takes to submit a job: none lost and none twice, how long it takes, and what it costs in CPU.

python benchmarks/submit.py cpu      # no farm: the application, in this process
python benchmarks/submit.py farm --url http://127.0.0.1:8000 --key KEY

The farm runs with FRAMEMILL_MEDIA_ROOTS=/, since its jobs name paths.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from fastapi import APIRouter

from framemill.api.app import ApiParts, create_app
from framemill.sealing import Seals
from framemill.services.fileplace import FilePlace
from framemill.storage.local import LocalBlobs
from framemill.store.database import Database

BODY = {"inputs": [{"uri": "https://example.org/in.mov"}], "outputs": [{"target": "/out/a.mp4", "preset": "h264-720p"}]}
MANY = 500
RATE = 100
KEY = "the key of a benchmark"


class NoFarm:
    """Nobody is there."""

    async def _nothing(self, *_: Any) -> dict[str, Any]:
        return {}

    status = progress = progress_of = probe = gc = drain = _nothing


def cpu(count: int) -> None:
    """CPU of a POST of a job, beside that of an empty POST of the same application."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/farm.db")
        database.create()
        app = create_app(
            ApiParts(
                database=database,
                nudge=lambda _: None,
                admin_key=KEY,
                seals=Seals("a secret of a benchmark"),
                farm=NoFarm(),
                files=FilePlace(blobs=LocalBlobs(Path(folder) / "blobs"), work=Path(folder) / "work"),
            )
        )
        empty = APIRouter()

        @empty.post("/empty")
        async def nothing() -> dict[str, str]:
            return {}

        app.include_router(empty)
        spent = asyncio.run(_rounds(app, count))
        database.close()
    per = {name: statistics.median(each) * 1000 for name, each in spent.items()}
    print(json.dumps({**{f"{name}_ms": round(ms, 3) for name, ms in per.items()},
                      "more_ms": round(per["job"] - per["empty"], 3), "count": count}))  # fmt: skip


async def _rounds(app: Any, count: int) -> dict[str, list[float]]:
    """CPU seconds of one request, in turns of fifty: of this process with all its threads."""
    transport = httpx.ASGITransport(app=app)
    spent: dict[str, list[float]] = {"empty": [], "job": []}
    async with httpx.AsyncClient(transport=transport, base_url="http://farm", headers={"X-API-Key": KEY}) as client:
        for number in range(count // 50 + 1):
            for name, path, body in (("empty", "/empty", b""), ("job", "/v1/jobs", json.dumps(BODY).encode())):
                began = time.process_time()
                for _ in range(50):
                    answer = await client.post(path, content=body, headers={"Content-Type": "application/json"})
                    assert answer.is_success, answer.text
                if number:  # the first one builds what the others use
                    spent[name].append((time.process_time() - began) / 50)
    return spent


#: Between the two parts: what 500 at once have left to be done is not what the second part asks about.
REST_SECONDS = 10.0


async def farm(url: str, key: str, seconds: float, film: str | None) -> None:
    """500 at once, then 100 a second. The farm is paused meanwhile: what runs goes on, and the jobs are queued.

    They are removed in the end. The client is aiohttp: httpx takes more CPU to ask than the farm to answer. `film`: is
    encoded meanwhile, slowly and several times over.
    """
    mark = uuid.uuid4().hex
    connector = aiohttp.TCPConnector(limit=MANY)
    async with aiohttp.ClientSession(url, headers={"X-API-Key": key}, connector=connector) as client:

        async def asked(method: str, path: str, **more: Any) -> Any:
            async with client.request(method, path, **more) as answer:
                answer.raise_for_status()
                return await answer.json() if answer.content_type == "application/json" else None

        encodes = await _busy(asked, film) if film is not None else []
        await asked("POST", "/v1/farm/pause")
        body = {**BODY, "metadata": {"mark": mark}}

        async def submit() -> tuple[float, str]:
            began = time.perf_counter()
            made = await asked("POST", "/v1/jobs", json=body)
            return time.perf_counter() - began, made["id"]

        await submit()
        began = time.perf_counter()
        made = await asyncio.gather(*(submit() for _ in range(MANY)))
        took = time.perf_counter() - began
        await asyncio.sleep(REST_SECONDS)
        tasks = []
        start = time.perf_counter()
        for number in range(round(seconds * RATE)):
            await asyncio.sleep(max(0.0, start + number / RATE - time.perf_counter()))
            tasks.append(asyncio.create_task(submit()))
        in_turn = [each[0] for each in await asyncio.gather(*tasks)]
        worst = [_ms(max(in_turn[second * RATE : (second + 1) * RATE])) for second in range(len(in_turn) // RATE)]
        paced = sorted(in_turn)
        known: list[str] = []
        cursor, pages = None, 0
        while pages == 0 or cursor is not None:
            params: dict[str, Any] = {"metadata": f"mark={mark}", "limit": 100}
            page = await asked("GET", "/v1/jobs", params=params | ({"cursor": cursor} if cursor else {}))
            known += [job["id"] for job in page["data"]]
            cursor, pages = page["next_cursor"], pages + 1
        print(json.dumps({
            "at_once": {"count": MANY, "seconds": round(took, 2), "slowest_ms": _ms(max(each[0] for each in made))},
            "paced": {"rate": RATE, "count": len(paced), "p50_ms": _ms(paced[len(paced) // 2]),
                      "p99_ms": _ms(paced[int(len(paced) * 0.99)]), "slowest_ms": _ms(paced[-1]),
                      "worst_of_each_second_ms": worst},
            "lost": 1 + MANY + len(paced) - len(set(known)), "twice": len(known) - len(set(known)),
        }), flush=True)  # fmt: skip
        for job_id in [*known, *encodes]:
            await asked("POST", f"/v1/jobs/{job_id}/cancel")
            await asked("DELETE", f"/v1/jobs/{job_id}")
        await asked("POST", "/v1/farm/resume")


async def _busy(asked: Any, film: str) -> list[str]:
    """Two jobs that keep every slot busy for minutes; they encode once this returns."""
    made = []
    for number in range(2):
        settings = {"encoder_preset": "veryslow", "crf": 17 + number}
        body = {"inputs": [{"uri": film}], "outputs": [{"name": "a.mp4", "preset": "h264", "settings": settings}]}
        made.append((await asked("POST", "/v1/jobs", json=body))["id"])
    for job_id in made:
        while (await asked("GET", f"/v1/jobs/{job_id}"))["state"] != "encoding":  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)
    return made


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cpu", "farm"])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", default="")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the paced part")
    parser.add_argument("--film", help="a path on the farm's machine, encoded meanwhile; none: the farm is idle")
    parser.add_argument("--count", type=int, default=1000, help="requests of the measure of CPU")
    asked = parser.parse_args()
    if asked.what == "cpu":
        cpu(asked.count)
    else:
        asyncio.run(farm(asked.url, asked.key, asked.seconds, asked.film))


if __name__ == "__main__":
    main()
