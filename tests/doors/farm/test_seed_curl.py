"""The line that DevStreamCore's documents show, run by the real curl at the real host name.

Nothing is added to it but where that name is to be found (`--connect-to`) and who vouches for it (`--cacert`); its
token, its id and its examples are those of an upload that there is.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doors.around import DoorFarm, awaited
from servers.tls import Tls, tls_before

pytestmark = [
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here"),
]

NAME = "api.devstreamcore.com"
FINALIZE = """curl --request POST \
--url https://api.devstreamcore.com/v1/uploads/up_a1b2c3d4e5f6a1b2c3d4/finalize \
--header 'Authorization: Bearer <token>' \
--header 'Content-Type: application/json' \
--data '{ "mime_type": "example", "file_size_bytes": 1, "duration_secs": 1, "source_height": 1, "source_width": 1, "upload_id": "example", "parts": [ { "partNumber": 1, "etag": "example" } ] }'"""  # noqa: E501 - as it is written


@pytest.fixture(scope="module")
def tls(farm: DoorFarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """Stands before the farm as that host."""
    with tls_before(farm.port, NAME, tmp_path_factory.mktemp("tls")) as made:
        yield made


class Curl:
    """A shell in which that name leads to the farm."""

    def __init__(self, farm: DoorFarm, tls: Tls) -> None:
        self._found = (
            f"--silent --show-error --noproxy '*' --cacert {tls.authority} "
            f"--connect-to {NAME}:443:127.0.0.1:{tls.port} --connect-to {NAME}:80:127.0.0.1:{farm.port}"
        )

    def told(self, line: str) -> tuple[int, Any]:
        """The status of the answer, and its JSON."""
        said = self.run(f"{line} --write-out '\\n%{{http_code}}'")
        body, _, status = said.rpartition("\n")
        return int(status), json.loads(body)

    def run(self, line: str) -> str:
        """What a line of curl prints."""
        assert line.startswith("curl ")
        return subprocess.run(
            ["sh", "-c", f"curl {self._found} {line.removeprefix('curl ')}"], check=True, capture_output=True, text=True
        ).stdout


def test_the_documents_own_line_is_understood_and_its_examples_refused(farm: DoorFarm, tls: Tls) -> None:
    curl = Curl(farm, tls)
    status, told = curl.told(FINALIZE)
    assert (status, told["error"]["type"]) == (401, "authentication_error")

    status, told = curl.told(FINALIZE.replace("<token>", farm.customer().key))
    assert (status, told["error"]["type"]) in {(400, "invalid_request_error"), (404, "not_found")}  # `example`
    assert told["error"]["request_id"]


def test_the_documents_own_line_finalizes_an_upload(farm: DoorFarm, tls: Tls, film: Path) -> None:
    curl, key, size = Curl(farm, tls), farm.customer().key, film.stat().st_size
    asked = {"filename": "in.mp4", "file_size_bytes": size, "mime_type": "video/mp4", "multipart": True}
    head = f"--header 'Authorization: Bearer {key}'"
    json_head = f"{head} --header 'Content-Type: application/json'"
    status, upload = curl.told(f"curl --url https://{NAME}/v1/uploads {json_head} --data '{json.dumps(asked)}'")
    assert status == 201, upload
    (part,) = upload["parts"]
    headers = curl.run(
        f"curl --request PUT --url '{part['url']}' --upload-file {film} --dump-header - --output /dev/null"
    )
    etag = next(line.partition(":")[2].strip() for line in headers.splitlines() if line.lower().startswith("etag:"))

    body = {
        **{"mime_type": "video/mp4", "file_size_bytes": size, "duration_secs": 6, "source_height": 360},
        **{"source_width": 640, "upload_id": upload["upload_id"]},
        "parts": [{"partNumber": part["partNumber"], "etag": etag}],
    }
    line, _, examples = FINALIZE.partition("--data ")
    assert json.loads(examples.strip("'")).keys() == body.keys()
    line = line.replace("<token>", key).replace("up_a1b2c3d4e5f6a1b2c3d4", upload["id"])
    status, video = curl.told(f"{line}--data '{json.dumps(body)}'")
    assert (status, video["status"], video["ingest"]["kind"]) == (200, "preparing", "direct_upload"), video

    def ready() -> Any:
        _, told = curl.told(f"curl --url https://{NAME}/v1/videos/{video['id']} {head}")
        assert told["status"] in {"preparing", "ready"}, told
        return told if told["status"] == "ready" else None

    playback = awaited(ready, "a video that is ready", 240)["playback"]
    assert "#EXTM3U" in curl.run(f"curl --location --url '{playback['hls']}'")
