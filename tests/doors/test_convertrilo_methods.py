"""Every method of Convertrilo's SDK 0.0.11, called once as its client does (check 25), and the SDK itself (check 1)."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from doors.conftest import AskedDoor
from doors.convertrilo_jobs import BASE, SRC, made, ready, wanted

SDK = "@convertrilo/sdk@0.0.11"
PASSWORD = "correct horse battery"  # noqa: S105


def read(answer: httpx.Response) -> Any:
    """As the SDK reads an answer: 204 is nothing, any other 2xx is JSON, all else is thrown."""
    assert answer.is_success, answer.text
    return None if answer.status_code == 204 else json.loads(answer.text)


def methods(door: AskedDoor) -> Iterator[tuple[str, Any]]:
    """The 31 methods with what each comes to, in an order in which each can be called."""

    def ask(method: str, path: str, body: Any = None, **more: Any) -> Any:
        return read(door.ask(method, BASE + path, body, **more))

    person = {"name": "ada", "email": "ada@example.org", "password": PASSWORD, "role": "admin"}
    assert door.post("/v1/users", person).status_code == 201
    opened = ask(
        "POST", "/auth/login", {"email": "ada@example.org", "password": PASSWORD}, headers={"Authorization": ""}
    )
    yield "login", opened
    yield "getBalance", ask("GET", "/tokens/balance")
    job_id = ready(door)
    tokens = {"jobId": job_id, "amount": 1}
    yield "reserveTokens", ask("POST", "/tokens/reserve", tokens)
    yield "releaseTokens", ask("POST", "/tokens/release", tokens)
    yield "deductTokens", ask("POST", "/tokens/deduct", tokens)
    yield "createJob", ask("POST", "/jobs", wanted())
    yield "probeDuration", ask("GET", f"/jobs/{job_id}/probe-duration")
    yield "approveUnified", ask("POST", f"/jobs/{job_id}/approve-unified")
    yield "confirmJob", ask("POST", f"/jobs/{job_id}/confirm")
    yield "jobStatus", ask("GET", f"/jobs/{job_id}/status")
    yield "cancelJob", ask("POST", f"/jobs/{job_id}/cancel")
    batch = ask("POST", "/jobs/bulk", {"jobs": [wanted(sourceUrl=SRC)]})
    yield "createJobsBulk", batch
    ids = [one["jobId"] for one in batch["jobs"]]
    yield "bulkStatus", ask("GET", f"/jobs/bulk/status?ids={','.join(ids)}")
    yield "bulkConfirm", ask("POST", "/jobs/bulk/confirm", {"jobIds": ids})
    keys = {"bearer": opened["accessToken"]}
    yield "getApiKeys", ask("GET", "/api-keys", **keys)
    key = ask("POST", "/api-keys", {"name": "k"}, **keys)
    yield "createApiKey", key
    yield "revokeApiKey", ask("DELETE", f"/api-keys/{key['id']}", **keys)
    yield "getWebhooks", ask("GET", "/webhooks")
    hook = ask("POST", "/webhooks", {"url": "https://hooks.example/", "events": ["job.completed"]})
    yield "createWebhook", hook
    yield "updateWebhook", ask("PATCH", f"/webhooks/{hook['id']}", {"isActive": True})
    yield "testWebhook", ask("POST", f"/webhooks/{hook['id']}/test")
    yield "getWebhookDeliveries", ask("GET", f"/webhooks/{hook['id']}/deliveries")
    yield "deleteWebhook", ask("DELETE", f"/webhooks/{hook['id']}")
    for end in ("finalize", "abort"):
        stream = f"/jobs/{made(door)['jobId']}/stream"
        yield "initStream", ask("POST", f"{stream}/init")
        yield "uploadChunk", ask("PUT", f"{stream}/chunk/1", content=b"x")
        yield f"{end}Stream", ask("POST", f"{stream}/{end}")
    demanded = ask("POST", "/ondemand/encode", {"sourceUrl": SRC})
    yield "onDemandEncode", demanded
    yield "onDemandStatus", ask("GET", f"/ondemand/status/{demanded['jobId']}")
    yield "onDemandCancel", ask("DELETE", f"/ondemand/{demanded['jobId']}")


NOTHING = {"revokeApiKey", "deleteWebhook"}
ELSEWHERE = {"onDemandIngestFolder"}
"""Asks a store which files there are, so it is called where there is one (`farm/`)."""


def test_check_25a_every_method_answers_as_its_client_reads(door: AskedDoor) -> None:
    seen = dict(methods(door))
    assert len(seen.keys() | ELSEWHERE) == 31
    assert {name for name, found in seen.items() if found is None} == NOTHING
    assert all(isinstance(found, dict) for name, found in seen.items() if name not in NOTHING)


@pytest.mark.servers
def test_check_01_the_sdk_itself_where_npm_has_it(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("there is no npm here")
    words = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", SDK]
    done = subprocess.run(words, cwd=tmp_path, text=True, capture_output=True, check=False, timeout=120)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "npm error" in line or "npm ERR!" in line]
        pytest.skip(f"npm cannot install {SDK}: {' '.join(said)[:500]}")
    package = json.loads((tmp_path / "node_modules/@convertrilo/sdk/package.json").read_text())
    assert package["version"] == "0.0.11"
    (tmp_path / "look.mjs").write_text('console.log(import.meta.resolve("@convertrilo/sdk"))')
    found = subprocess.run([node, "look.mjs"], cwd=tmp_path, text=True, capture_output=True, check=True, timeout=60)
    assert found.stdout.startswith(f"{tmp_path.resolve().as_uri()}/node_modules/@convertrilo/sdk/")
