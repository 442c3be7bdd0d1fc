"""Folders of sources: which files of one are taken, and what is made of each."""

from pathlib import Path
from typing import Any

import pytest

from framemill.errors import SourceMissing, WrongUse
from framemill.sealing import Seals
from framemill.services.callers import OWNER
from framemill.services.desk import Desk
from framemill.services.folders import File, FolderRequest, jobs_of, listed, uri_in
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobRequest
from framemill.services.targets import TargetRequest

DESK = Desk(Seals("a farm's secret"))


def asked(folder: Path | str, target: str = "/out/{path}.mp4", **more: Any) -> FolderRequest:
    job = JobRequest(inputs=(), outputs=(OutputRequest(target=target),))
    return FolderRequest(folder=str(folder), job=job, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mov", "a.MP4", "notes.txt", ".hidden.mov", "2024/a.mov", "2024/deep/c.mxf"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"film")
    (tmp_path / "in" / "empty.mov").touch()
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("more", "paths"),
    [
        ({}, ["2024/a.mov", "2024/deep/c.mxf", "a.MP4", "b.mov"]),
        ({"recursive": False}, ["a.MP4", "b.mov"]),
        ({"files": ("*.MOV",)}, ["2024/a.mov", "b.mov"]),
        ({"files": ("2024/*.mov", "*.txt")}, ["2024/a.mov", "notes.txt"]),
    ],
)
def test_the_files_that_are_wanted_in_the_order_of_their_paths(
    folder: Path, more: dict[str, Any], paths: list[str]
) -> None:
    found = listed(asked(folder, **more), OWNER, DESK)

    assert [one.path for one in found.files] == paths
    assert [(one.uri, one.size) for one in found.files] == [(f"{folder}/{path}", 4) for path in paths]
    assert not found.more


def test_no_more_than_are_wanted(folder: Path) -> None:
    found = listed(asked(folder, max_files=1), OWNER, DESK)

    assert ([one.path for one in found.files], found.more) == (["2024/a.mov"], True)


@pytest.mark.parametrize(
    ("where", "more", "kind", "says"),
    [
        ("in", {"files": ("*.mkv",)}, SourceMissing, r"holds no files that are \*\.mkv"),
        ("nothing", {}, SourceMissing, "no such file or folder"),
        ("https://example.org/in/", {}, WrongUse, "do not tell what is in a folder"),
        ("s3://bucket/in/", {"credentials": "corp"}, WrongUse, "no credentials 'corp'"),
        ("ftp://127.0.0.1/in/", {}, WrongUse, "closed to clients"),
    ],
)
def test_what_cannot_be_listed(
    folder: Path, where: str, more: dict[str, Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says) as refused:
        listed(asked(where if "://" in where else folder.parent / where, **more), OWNER, DESK)
    assert refused.value.param == ("credentials" if more.get("credentials") else "folder")  # type: ignore[attr-defined]


def test_each_file_is_a_job_of_its_own() -> None:
    files = [File("s3://in/2024/a.b.mov", "2024/a.b.mov", 1), File("s3://in/c.mov", "c.mov", None)]
    targets = (TargetRequest(uri="s3://out/{path}.mp4"), TargetRequest(uri="/out/{number}-{stem}.mp4"))
    job = JobRequest(inputs=(), outputs=(OutputRequest(targets=targets),), metadata={"batch": 7})

    made = jobs_of(FolderRequest(folder="s3://in/", credentials="corp", job=job), files)

    assert [[(one.uri, one.credentials, one.filename) for one in job.inputs] for job in made] == [
        [("s3://in/2024/a.b.mov", "corp", "a.b.mov")],
        [("s3://in/c.mov", "corp", "c.mov")],
    ]
    assert [[target.uri for target in job.outputs[0].targets] for job in made] == [
        ["s3://out/2024/a.b.mp4", "/out/0001-a.b.mp4"],
        ["s3://out/c.mp4", "/out/0002-c.mp4"],
    ]
    assert [job.metadata for job in made] == [{"batch": 7}] * 2


def test_two_files_are_not_put_at_one_place() -> None:
    files = [File("/in/a.mov", "a.mov", 1), File("/in/x/a.mov", "x/a.mov", 1)]

    with pytest.raises(WrongUse, match="at one place") as refused:
        jobs_of(asked("/in/", "/out/{stem}.mp4"), files)
    assert refused.value.param == "outputs.0.target"


@pytest.mark.parametrize(
    ("folder", "path", "uri"),
    [
        ("/films/", "/films/a b.mov", "/films/a b.mov"),
        ("s3://in/x/", "x/a%20b?.mov", "s3://in/x/a%20b?.mov"),
        ("ftp://ada:word@host:2121/in/", "in/a b#.mov", "ftp://ada:word@host:2121/in/a%20b%23.mov"),
        ("gdrive://FOLDER", "a/b.mov", "gdrive://FOLDER/a/b.mov"),
    ],
)
def test_the_uri_of_a_file_in_a_folder(folder: str, path: str, uri: str) -> None:
    assert uri_in(folder, path) == uri
