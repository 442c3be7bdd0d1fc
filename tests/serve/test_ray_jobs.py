"""`ray job submit -- framemill encode …` on a farm that stays: Ray's own commands, as their users type them."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clips
import pytest
from service_farm import Service, listening, until

from framemill.api.native.schemas import Job
from framemill.config import DataFolder

pytestmark = [pytest.mark.farm, pytest.mark.timeout(600)]

PATIENCE = 240.0
"""Seconds; on an idle machine it takes a tenth of them."""

#: Ray's client as a script uses it: what it was asked on stdin, what it answers on stdout.
ASK = """
import json, sys
from ray.job_submission import JobSubmissionClient
client = JobSubmissionClient(sys.argv[1])
found = []
for method, words in json.load(sys.stdin):
    answer = getattr(client, method)(**words)
    found.append(getattr(answer, "value", answer))
print("answered: " + json.dumps(found, default=str))
"""


class Ray:
    """Ray's job commands, against one farm."""

    def __init__(self, service: Service, token: Path | None = None) -> None:
        self.url: str = service.facts["ray_jobs"]
        token = token or DataFolder(service.folder).ray_token
        # Without a token of another farm's: it would come before the file.
        mine = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_TOKEN"}
        told = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
        self.environment = {**mine, **told}

    def job(self, word: str, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """`ray job WORD --address … WORDS`; both streams in stdout."""
        plain = ("--log-style", "record", "--log-color", "false")
        command = [sys.executable, "-m", "ray.scripts.scripts", "job", word, *plain, "--address", self.url, *words]
        return subprocess.run(
            command, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=check
        )

    def ask(self, *questions: tuple[str, Mapping[str, Any]]) -> list[Any]:
        """What `JobSubmissionClient` answers to calls of its methods, in order."""
        command = [sys.executable, "-c", ASK, self.url]
        asked = json.dumps(questions)
        done = subprocess.run(command, env=self.environment, text=True, input=asked, capture_output=True, check=True)
        found: list[Any] = json.loads(done.stdout.rpartition("answered: ")[2])
        return found

    def submit(self, *entrypoints: str) -> list[str]:
        """Submit them one right after the other; their ids."""
        return self.ask(*[("submit_job", {"entrypoint": one}) for one in entrypoints])

    def statuses(self, ids: list[str]) -> list[str]:
        """How those jobs stand."""
        return self.ask(*[("get_job_status", {"job_id": one}) for one in ids])

    def log(self, job_id: str) -> list[str]:
        """What a job has written."""
        (text,) = self.ask(("get_job_logs", {"job_id": job_id}))
        lines: list[str] = text.strip().splitlines()
        return lines


@pytest.fixture(scope="module")
def ray(service: Service) -> Ray:
    return Ray(service)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be caught in the middle."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    noise = "testsrc2=size=640x360:rate=25:duration=30,noise=alls=20:allf=t"
    clips.ffmpeg("-f", "lavfi", "-i", noise, "-c:v", "libx264", "-preset", "ultrafast", str(path))
    return path


@pytest.fixture
def slow(service: Service) -> Iterator[tuple[str, ...]]:
    """What makes an encode take long; whatever it left is cancelled."""
    yield ("--set", "encoder_preset=veryslow", "--set", "reuse=off")
    for job in service.client.list(["queued", "ingesting", "planning", "encoding"]).data:
        service.client.cancel(job.id)


def ids_in(text: str) -> list[str]:
    return re.findall(r"Job '(raysubmit_\w+)' submitted successfully", text)


def test_a_job_succeeds_as_its_encode_does_and_tells_how_far_it_is(
    service: Service, ray: Ray, film: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    done = ray.job("submit", "--", "framemill", "encode", str(film), "-o", str(target), "--set", "crf=30")
    (job_id,) = ids_in(done.stdout)

    assert done.returncode == 0, done.stdout
    assert target.exists()
    log = ray.log(job_id)
    assert log[-1] == "framemill: exit 0 (done)"
    assert any(re.fullmatch(r"framemill: Encoding: [\d.]+ % \(\d+ of 750 frames\).*", line) for line in log), log
    assert any(line.startswith("Verified: 750 frames") for line in log)
    assert service.client.list(limit=1).data[0].metadata == {"ray_job": job_id}


def test_a_job_fails_as_its_encode_does_and_tells_our_exit_code(ray: Ray, tmp_path: Path) -> None:
    missing = ray.job("submit", "--", "framemill", "encode", "/nowhere/a.mp4", "-o", str(tmp_path / "b.mp4"))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film at all" * 99)
    unread, wrong = ray.submit(
        f"framemill encode {broken} -o {tmp_path / 'c.mp4'}", f"framemill encode {broken} -o c.xyz"
    )
    until(lambda: ray.statuses([unread, wrong]) == ["FAILED"] * 2, "the end of both", PATIENCE)

    assert missing.returncode == 1
    assert "There is no file /nowhere/a.mp4" in missing.stdout
    assert ray.log(ids_in(missing.stdout)[0])[-1] == "framemill: exit 1 (failed)"
    assert "no media file" in " ".join(ray.log(unread)) or "not a media file" in " ".join(ray.log(unread))
    assert ray.log(unread)[-1] == "framemill: exit 1 (failed)"
    assert ray.log(wrong)[-1] == "framemill: exit 2 (wrong use)"


def test_relative_paths_are_those_of_the_working_dir(service: Service, ray: Ray, film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "mine.mp4").write_bytes(film.read_bytes())
    words = ("--working-dir", str(folder), "--", "framemill", "encode", "mine.mp4", "-o", "out.mp4", "--set", "crf=31")
    done = ray.job("submit", *words)
    absolute = ray.job("submit", *words[:-3], str(tmp_path / "stays.mp4"), "--set", "crf=31")
    elsewhere = ray.job("submit", "--working-dir", str(folder), "--", "framemill", "encode", "not.mp4", "-o", "x.mp4")

    assert done.returncode == 0, done.stdout
    told = re.search(r"out\.mp4 lies in the folder of this Ray job.*framemill jobs download (\S+) -o", done.stdout)
    assert told is not None, done.stdout
    service.run("jobs", "download", told[1], "-o", str(tmp_path / "kept.mp4"))
    assert absolute.returncode == 0, absolute.stdout
    assert (tmp_path / "stays.mp4").read_bytes() == (tmp_path / "kept.mp4").read_bytes()
    assert elsewhere.returncode == 1
    assert "no file not.mp4" in elsewhere.stdout
    assert "working_dir" in elsewhere.stdout


def test_many_at_once_share_the_farm(service: Service, ray: Ray, film: Path, tmp_path: Path) -> None:
    def jobs() -> list[Job]:
        return [job for job in service.client.list(limit=20).data if job.metadata.get("ray_job") in ids]

    encode = f"framemill encode {film} --set encoder_preset=veryfast --set reuse=off --set crf="
    service.run("pause")
    try:
        ids = ray.submit(*[f"{encode}{20 + number} -o {tmp_path / str(number)}.mp4" for number in range(4)])
        until(lambda: len(jobs()) == len(ids), "the coming of all", PATIENCE)
    finally:
        service.run("resume")
    until(lambda: ray.statuses(ids) == ["SUCCEEDED"] * 4, "the end of all", PATIENCE)

    assert [ray.log(one)[-1] for one in ids] == ["framemill: exit 0 (done)"] * 4
    begun = [job.started_at for job in jobs() if job.started_at is not None]
    ended = [job.ended_at for job in jobs() if job.ended_at is not None]
    assert len(begun) == len(ended) == 4
    assert max(begun) < min(ended), "one after the other"


def test_a_job_that_is_stopped_is_cancelled_in_the_farm(
    service: Service, ray: Ray, film: Path, tmp_path: Path, slow: tuple[str, ...]
) -> None:
    (job_id,) = ray.submit(" ".join(["framemill", "encode", str(film), "-o", str(tmp_path / "s.mp4"), *slow]))
    until(lambda: len(service.encoders) > 0, "the first encode", PATIENCE)
    ray.job("stop", job_id, check=True)

    assert ray.statuses([job_id]) == ["STOPPED"]
    (job,) = [job for job in service.client.list(limit=20).data if job.metadata.get("ray_job") == job_id]
    assert job.state == "cancelled"
    assert not service.encoders
    assert ray.log(job_id)[-1] == "framemill: exit 130 (interrupted)"
    assert not (tmp_path / "s.mp4").exists()


@pytest.mark.parametrize("token", ["f" * 64, None])
def test_who_has_not_the_token_is_refused(service: Service, tmp_path: Path, token: str | None) -> None:
    file = tmp_path / "token"
    file.write_text(token or "")
    stranger = Ray(service, file)
    if token is None:
        stranger.environment |= {"RAY_AUTH_MODE": "disabled"}
    before = len(service.client.list(limit=100).data)
    refused = stranger.job("submit", "--", "touch", str(tmp_path / "mine"))

    assert refused.returncode != 0
    assert not ids_in(refused.stdout)
    assert re.search("40[13]|[Aa]uth", refused.stdout), refused.stdout
    threading.Event().wait(1.0)  # an entrypoint that was accepted all the same
    assert not (tmp_path / "mine").exists()
    assert len(service.client.list(limit=100).data) == before


def test_its_door_is_told_and_open_to_this_machine_only(service: Service) -> None:
    told = json.loads(service.run("status", "--json").stdout)
    port = urlsplit(told["ray_jobs"]).port

    assert {address for address, there in listening(service.processes) if there == port} == {"127.0.0.1"}
