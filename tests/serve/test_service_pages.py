"""The pages of a real farm: a film that is dropped becomes one that plays, before all of it is encoded."""

import re
from pathlib import Path

import clips
import pytest
from browser import browsing
from playwright.sync_api import expect
from service_farm import Service

pytestmark = [pytest.mark.farm, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be watched while it is encoded."""
    path = tmp_path_factory.mktemp("film") / "dropped.mp4"
    pictures = "testsrc2=size=640x360:rate=25:duration=60,noise=alls=30:allf=t"
    sound = "sine=frequency=440:duration=60"
    clips.ffmpeg("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", sound, "-c:v", "libx264", "-preset", "ultrafast",
                 "-crf", "30", "-pix_fmt", "yuv420p", "-c:a", "aac", str(path))  # fmt: skip
    return path


def test_a_dropped_film_plays_while_it_is_encoded_and_goes_on_to_its_end(service: Service, film: Path) -> None:
    with browsing() as watched:
        page = watched.page
        page.goto(service.run("login").stdout.strip())
        page.set_input_files("#fm-drop input[type=file]", film)
        expect(page).to_have_url(re.compile(r"/dashboard/jobs/[0-9a-f-]{36}$"), timeout=60_000)
        page.wait_for_function("document.getElementById('fm-video')?.currentTime > 2", timeout=120_000)
        job_id = page.url.rpartition("/")[2]
        assert service.client.get(job_id).state == "encoding"
        assert service.client.wait(job_id).state == "completed"
        expect(page.locator(".fm-title .fm-state")).to_have_text("completed", timeout=30_000)
        page.evaluate("document.getElementById('fm-video').currentTime = 57")
        page.wait_for_function("document.getElementById('fm-video').ended", timeout=60_000)
        expect(page.get_by_role("link", name="video.mp4")).to_be_visible()
        assert watched.complaints == []
        assert watched.hosts == {f"127.0.0.1:{service.port}"}
