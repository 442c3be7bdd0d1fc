"""The pages in a real browser: what is dropped is uploaded and becomes a job, and what happens to jobs is seen."""

import json
import re
from pathlib import Path

from browser import Watched, browsing
from playwright.sync_api import FilePayload, expect
from site_pages import Site

from framemill.jobs.model import ChunkRow
from framemill.jobs.states import CancelAsked, ChunkState, InputsReady, Planned, Started
from framemill.services.callers import ADMIN
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobRequest
from framemill.store.chunks import replace_chunks


def submitted(site: Site, name: str = "voyage.mov") -> str:
    jobs = Jobs(site.door.database, site.door.parts.nudge, caller=ADMIN)
    source, output = InputRequest(uri=f"https://films.example/{name}"), OutputRequest(preset="hls", name="voyage")
    return jobs.submit(JobRequest(inputs=(source,), outputs=(output,))).id


def encoded(site: Site, job_id: str) -> None:
    """Planned, and half of it encoded; one chunk runs again after a loss, one was put aside."""
    job = site.door.moved(job_id, Started(), InputsReady(), Planned())
    (output,) = Jobs(site.door.database, site.door.parts.nudge).shown(job_id).outputs
    states = [ChunkState.COMMITTED, ChunkState.COMMITTED, ChunkState.LEASED, ChunkState.LEASED, ChunkState.QUARANTINED]
    rows = [
        ChunkRow(
            job_id=job_id,
            output_id=output.id,
            number=number,
            key=f"{job_id}-{number}",
            first_frame=100 * number,
            end_frame=100 * number + 100,
            state=state,
            frames_done=100 if state is ChunkState.COMMITTED else 50,
            seconds=(2.5, 0.0)[number] if state is ChunkState.COMMITTED else None,
            tries=int(number == 3),
            worker="machine-7" if state is ChunkState.LEASED else None,
            message="ffmpeg fails at frame 412" if state is ChunkState.QUARANTINED else None,
        )
        for number, state in enumerate(states)
    ]
    with site.door.database.writing() as conn:
        replace_chunks(conn, job_id, job.attempt, rows)


def is_clean(watched: Watched, site: Site) -> None:
    assert watched.complaints == []
    assert watched.hosts == {site.url.removeprefix("http://")}


def test_a_dropped_film_is_uploaded_and_becomes_a_job(site: Site, tmp_path: Path) -> None:
    film = tmp_path / "a <b>long way & <i>back.mov"
    film.write_bytes(bytes(range(256)) * 4096)
    with browsing() as watched:
        page = watched.page
        page.goto(site.login())
        expect(page.get_by_text("Drop films here")).to_be_visible()
        page.set_input_files("#fm-drop input[type=file]", film)
        expect(page).to_have_url(re.compile(r"/dashboard/jobs/[0-9a-f-]{36}$"))
        expect(page.locator("h1")).to_have_text("a <b>long way & <i>back.mov")
        job_id = page.url.rpartition("/")[2]
        is_clean(watched, site)
    shown = Jobs(site.door.database, site.door.parts.nudge).shown(job_id)
    assert (shown.job.door, shown.job.account) == ("dashboard", "default")
    assert shown.outputs[0].settings.container == "package"
    (upload,) = site.door.parts.files.blobs.path("uploads").glob("*/*")
    assert upload.read_bytes() == film.read_bytes()


def test_what_cannot_be_taken_says_why(site: Site) -> None:
    film = FilePayload(name=300 * "x" + ".mov", mimeType="video/quicktime", buffer=b"film")
    with browsing() as watched:
        watched.page.goto(site.login())
        watched.page.set_input_files("#fm-drop input[type=file]", film)
        expect(watched.page.locator("#fm-uploads em")).to_contain_text("is no name of a file")
        is_clean(watched, site)


def test_jobs_are_listed_as_they_move(site: Site) -> None:
    job_id = submitted(site, "moving.mov")
    with browsing() as watched:
        page = watched.page
        page.goto(site.login())
        row = page.locator("tr", has=page.get_by_text("moving.mov", exact=True))
        expect(row.locator(".fm-state")).to_have_text("queued")
        encoded(site, job_id)
        expect(row.locator(".fm-state")).to_have_text("encoding")
        expect(row.locator(".fm-percent")).to_have_text("70 %")
        page.get_by_role("button", name="ended").click()
        expect(row).to_have_count(0)
        page.get_by_role("button", name="all").click()
        row.get_by_role("link").click()
        expect(page.locator("h1")).to_contain_text("moving.mov")
        is_clean(watched, site)


def test_a_jobs_page_shows_every_chunk_and_how_to_make_it_again(site: Site) -> None:
    job_id = submitted(site, "mapped.mov")
    log = site.door.parts.files.work.parent / "logs" / "worker.log"
    line = {"time": "2030-05-17T12:00:00.000Z", "level": "WARNING", "message": "a chunk was lost", "job": job_id}
    log.write_text(json.dumps(line) + "\n")
    encoded(site, job_id)
    with browsing() as watched:
        page = watched.page
        page.goto(site.login(f"/jobs/{job_id}"))
        for fate in ("done", "reused", "running", "retried", "quarantined"):
            expect(page.locator(f".chunk.{fate}")).to_have_count(1)
        expect(page.locator(".fm-stages .encoding")).to_be_visible()
        expect(page.get_by_role("cell", name="machine-7")).to_be_visible()
        expect(page.locator("pre", has_text="a chunk was lost")).to_be_visible()
        expect(page.locator(".fm-command pre")).to_contain_text("framemill encode https://films.example/mapped.mov")
        page.locator(".chunk.quarantined .fill").click()
        expect(page.locator(".fm-command p")).to_contain_text("ffmpeg fails at frame 412")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".fm-title .fm-state")).to_have_text("cancelling")
        is_clean(watched, site)


def test_a_cancelled_job_is_tried_again_from_its_page(site: Site) -> None:
    job_id = submitted(site, "again.mov")
    site.door.moved(job_id, CancelAsked())
    with browsing(dark=True, width=420) as watched:
        page = watched.page
        page.goto(site.login(f"/jobs/{job_id}"))
        page.get_by_role("button", name="Retry").click()
        expect(page.locator(".fm-title .fm-state")).to_have_text("queued")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        is_clean(watched, site)


def test_a_job_that_is_not_there_is_said_so(site: Site) -> None:
    with browsing() as watched:
        watched.page.goto(site.login("/jobs/0190c0de-0000-7000-8000-000000000000"))
        expect(watched.page.get_by_text("There is no job")).to_be_visible()
        is_clean(watched, site)
