"""How fast large files go into S3 and come out of it, and what memory that takes, beside boto3's transfer manager.

Both sides turn by turn, each run in a process of its own, against Ceph's gateway, which is started for it (packages
ceph-mon, ceph-osd, radosgw, ceph-common) and shares the machine; so the ratio counts, run by run.

    uv run python benchmarks/stores.py --mb 500 --runs 5

Wanted: 0.8 of its speed, and less than 300 MB of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import boto3
from benchmarks.measuring import add_common, begin, interleaved, ratios, spread
from rich.table import Table
from servers.ceph import running_gateway

from framemill.storage.access import S3Access
from framemill.storage.address import address_of
from framemill.storage.base import Sending, Storage
from framemill.storage.opening import opened

BUCKET, KEY = "bench", "film.mp4"
WANTED_SHARE, WANTED_MB = 0.8, 300.0
_BLOCK = 1 << 20


def main() -> None:
    """Measure, and say so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common(parser)
    parser.add_argument("--mb", type=int, default=500, help="size of the file (default: 500)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of each kind (default: 5)")
    parser.add_argument("--one", nargs=5, metavar=("SIDE", "DOING", "FILE", "ENDPOINT", "KEYS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(_once(*asked.one)))
        return
    console, _ = begin(asked.cores, 110)
    table = Table("", "MB/s", "of boto3's", "CPU s/GB", "boto3's CPU s/GB", "MB of memory", "boto3's")
    rows = {}
    with tempfile.TemporaryDirectory(dir=asked.folder) as scratch, running_gateway() as gateway:
        source = Path(scratch) / "source"
        with source.open("wb") as file:
            for _ in range(asked.mb):
                file.write(os.urandom(1_000_000))
        access = S3Access(
            access_key_id=gateway.access_key_id, secret_access_key=gateway.secret_access_key, endpoint=gateway.endpoint
        )
        _boto3(access).create_bucket(Bucket=BUCKET)
        for doing in ("put", "get"):
            path = source if doing == "put" else Path(scratch) / "got"
            run = functools.partial(_run, doing, path, access)
            ours, theirs = interleaved(asked.runs, functools.partial(run, "ours"), functools.partial(run, "boto3"))
            assert path.stat().st_size == source.stat().st_size
            share = ratios([one["wall"] for one in theirs], [one["wall"] for one in ours])
            gb = asked.mb / 1000
            table.add_row(
                doing,
                spread(asked.mb / one["wall"] for one in ours).show(0),
                share.show(),
                spread(one["cpu"] / gb for one in ours).show(),
                spread(one["cpu"] / gb for one in theirs).show(),
                spread(one["mb"] for one in ours).show(0),
                spread(one["mb"] for one in theirs).show(0),
            )
            rows[doing] = {"ours": ours, "boto3": theirs}
    console.print(table)
    console.print(f"Wanted: {WANTED_SHARE} of boto3's, under {WANTED_MB:.0f} MB")
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


def _run(doing: str, path: Path, access: S3Access, side: str, _number: int) -> dict[str, float]:
    """One transfer, in a process of its own."""
    keys = f"{access.access_key_id}:{access.secret_access_key}"
    words = ["--one", side, doing, str(path), access.endpoint, keys]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _once(side: str, doing: str, file: str, endpoint: str, keys: str) -> dict[str, float]:
    """One transfer, in this process: seconds of wall and of CPU, and the most memory in MB that it ever had."""
    key, _, secret = keys.partition(":")
    access = S3Access(access_key_id=key, secret_access_key=secret, endpoint=endpoint)
    path = Path(file)
    work: Callable[[], Any]
    if side == "boto3":
        client = _boto3(access)
        work = (
            (lambda: client.upload_file(file, BUCKET, KEY))
            if doing == "put"
            else (lambda: client.download_file(BUCKET, KEY, file))
        )
    else:
        storage = opened(address_of(f"s3://{BUCKET}/"), access, None)
        work = (lambda: storage.write(KEY, path, Sending())) if doing == "put" else (lambda: _downloaded(storage, path))
    with contextlib.suppress(FileNotFoundError):
        if doing == "get":
            path.unlink()
    cpu, began = time.process_time(), time.monotonic()
    work()
    wall, cpu = time.monotonic() - began, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}


def _downloaded(storage: Storage, path: Path) -> None:
    with path.open("wb") as file:
        for block in storage.stream(KEY):
            file.write(block)


def _boto3(access: S3Access) -> Any:
    return boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
    )


if __name__ == "__main__":
    main()
