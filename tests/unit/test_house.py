"""House rules that no linter knows."""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "framemill"
TESTS = ROOT / "tests"

LONGEST_MODULE = 500

ENVIRONMENT = re.compile(r"os\.(environb?|getenvb?|putenv|unsetenv)\b")
PROCESS = re.compile(r"subprocess\b|.*\bcreate_subprocess_|os\.(system|popen|spawn|posix_spawn|exec|fork)")
STAND_IN = re.compile(r"unittest\.mock\b|mock\b|time\.sleep\b")
DEAF = re.compile(r"asyncio\.wait_for\b")
"""Before Python 3.12, whoever is cancelled while what they wait for comes true is not told (bpo-42130)."""

SIGNS = {
    ENVIRONMENT: re.compile(r"\b(environb?|getenvb?|putenv|unsetenv)\b"),
    PROCESS: re.compile(r"subprocess|\b(system|popen|posix_spawnp?|spawn[lv]\w*|exec[lv]\w*|fork(pty)?)\b"),
    STAND_IN: re.compile(r"\b(mock|sleep)\b"),
    DEAF: re.compile(r"\bwait_for\b"),
}
"""What stands in every module that breaks the rule. Only such are parsed: that takes a hundred times as long."""

MAY_READ_THE_ENVIRONMENT = {
    "config.py",
    "environment.py",  # for the local user's own tools; config.py reads what is for us
    # Ray reads its switches when it is imported, so they are set before anything else runs.
    "__init__.py",
}
MAY_START_PROCESSES = {"media/process.py", "media/forkserver.py", "serve/launch.py"}


def modules(folder: Path, *, without: Collection[str] = ()) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if path.relative_to(folder).as_posix() not in without]


def names(code: ast.Module) -> Iterator[tuple[int, str]]:
    """Every dotted name that the code imports or reads, with its line. Text in strings and comments is none."""
    for node in ast.walk(code):
        match node:
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                yield from ((node.lineno, f"{node.module or ''}.{alias.name}") for alias in node.names)
            case ast.Attribute():
                yield node.lineno, _dotted(node)


def _dotted(node: ast.expr) -> str:
    """`os.environ.get`; what comes of anything but a name is `….get`."""
    match node:
        case ast.Attribute():
            return f"{_dotted(node.value)}.{node.attr}"
        case ast.Name():
            return node.id
        case _:
            return "…"


@functools.cache
def _text_of(path: Path) -> str:
    return path.read_text()


@functools.cache
def _names_in(path: Path) -> tuple[tuple[int, str], ...]:
    return tuple(names(ast.parse(_text_of(path))))


def offences(rule: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in paths
        if SIGNS[rule].search(_text_of(path))
        for line, name in _names_in(path)
        if rule.match(name)
    ]


def opens_with_text(lines: Callable[[], bytes]) -> bool:
    """Whether the first thing that a module says is a docstring that says something."""
    idle = {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL}
    first = next(token for token in tokenize.tokenize(lines) if token.type not in idle)
    return first.type == tokenize.STRING and re.match(r"""[ruRU]?('{1,3}|"{1,3})[^'"]""", first.string) is not None


def test_a_module_stops_at_500_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules(SOURCE)}

    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_a_module_opens_with_a_docstring() -> None:
    def opens(path: Path) -> bool:
        with path.open("rb") as file:
            return opens_with_text(file.readline)

    assert [path for path in modules(SOURCE) if not opens(path)] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (b'"""Says."""\n', True),
        (b"#!/bin/python\n# A comment.\n\n'Says.'\nimport os\n", True),
        (b'""\n', False),
        (b'b"bytes"\n', False),
        (b'import os\n"""Too late."""\n', False),
        (b'f"{1}"\n', False),
        (b"", False),
    ],
)
def test_only_a_docstring_counts_as_one(code: bytes, expected: bool) -> None:
    assert opens_with_text(io.BytesIO(code).readline) == expected == bool(ast.get_docstring(ast.parse(code)))


def test_the_environment_is_read_in_one_place() -> None:
    assert offences(ENVIRONMENT, modules(SOURCE, without=MAY_READ_THE_ENVIRONMENT)) == []


def test_processes_are_started_in_one_place() -> None:
    assert offences(PROCESS, modules(SOURCE, without=MAY_START_PROCESSES)) == []


def test_nobody_waits_in_a_way_that_loses_cancellations() -> None:
    assert offences(DEAF, modules(SOURCE)) == []


def test_no_room_is_a_lumber_room() -> None:
    assert [path for path in SOURCE.rglob("*") if path.stem in {"utils", "common", "helpers", "misc"}] == []


def test_tests_neither_mock_nor_sleep() -> None:
    assert offences(STAND_IN, modules(TESTS)) == []


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (ENVIRONMENT, "import os\nhome = os.environ['HOME']"),
        (ENVIRONMENT, "import os\nhome = os.getenv('HOME')"),
        (ENVIRONMENT, "from os import environ"),
        (PROCESS, "import subprocess"),
        (PROCESS, "from subprocess import run"),
        (PROCESS, "import asyncio\nasync def start():\n    await asyncio.create_subprocess_exec('true')"),
        (PROCESS, "from asyncio import create_subprocess_exec"),
        (PROCESS, "import os\nos.system('true')"),
        (PROCESS, "import asyncio\nasync def start():\n    await made()[0].create_subprocess_exec('true')"),
        (STAND_IN, "from unittest.mock import Mock, patch"),
        (STAND_IN, "from unittest import mock"),
        (STAND_IN, "import time\ntime.sleep(1)"),
        (STAND_IN, "from time import sleep"),
        (DEAF, "import asyncio\nasync def wait():\n    await asyncio.wait_for(event.wait(), 1)"),
        (DEAF, "from asyncio import wait_for"),
    ],
)
def test_a_rule_sees_what_it_forbids(rule: re.Pattern[str], code: str) -> None:
    assert SIGNS[rule].search(code)
    assert any(rule.match(name) for _line, name in names(ast.parse(code)))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (ENVIRONMENT, '"""Nobody here reads os.environ."""'),
        (ENVIRONMENT, "from os import path"),
        (PROCESS, "from framemill.media.ffmpeg import run"),
        (STAND_IN, "client.patch('/jobs/1')"),
        (DEAF, "async def wait(store):\n    await store.wait_for(None)"),
        (STAND_IN, "import time\ntime.monotonic()"),
    ],
)
def test_a_rule_leaves_the_innocent_alone(rule: re.Pattern[str], code: str) -> None:
    assert not any(rule.match(name) for _line, name in names(ast.parse(code)))
