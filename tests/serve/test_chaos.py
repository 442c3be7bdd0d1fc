"""A farm that is disturbed while it encodes delivers the same bytes: a dozen schedules of `benchmarks/chaos.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "chaos.py"
KINDS = (
    *("kill:worker", "stop:worker", "late:worker", "kill:ffmpeg", "stop:ffmpeg", "kill:coordinator", "kill:stitcher"),
    *("kill:replica", "kill:gcs_server", "chunk:cut", "chunk:twice", "farm:usurp"),
)


@pytest.mark.farm
@pytest.mark.timeout(1800)
def test_a_dozen_schedules_of_faults_end_in_the_same_bytes(tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    argv = [sys.executable, str(SCRIPT), "test", "--schedules", str(len(KINDS)), "--faults", ",".join(KINDS)]
    # Other tests take the processors, too: how fast it recovers is for the benchmark to say.
    quick = ["--seconds", "12", "--patience", "5", "--json", str(rows), "--folder", str(tmp_path)]
    ran = subprocess.run([*argv, *quick], capture_output=True, text=True, check=False)

    assert rows.exists(), ran.stdout[-4000:] + ran.stderr[-4000:]
    told = json.loads(rows.read_text())
    assert {one["schedule"]["number"]: one["wrong"] for one in told["schedules"] if one["wrong"]} == {}, ran.stdout
    assert len(told["schedules"]) == len(KINDS)
    assert {line["kind"] for line in told["kinds"]} <= set(KINDS)
    assert ran.returncode == 0
