"""House rules that no linter knows."""

import ast
import functools
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "framemill"
TESTS = ROOT / "tests"

LONGEST_MODULE = 500

ENVIRONMENT = re.compile(r"os\.(environb?|getenvb?|putenv|unsetenv)\b")
PROCESS = re.compile(r"subprocess\b|.*\bcreate_subprocess_|os\.(system|popen|spawn|posix_spawn|exec|fork)")
STAND_IN = re.compile(r"unittest\.mock\b|mock\b|time\.sleep\b")

MAY_READ_THE_ENVIRONMENT = {
    "config.py",
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
def _code_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def _names_in(path: Path) -> tuple[tuple[int, str], ...]:
    return tuple(names(_code_of(path)))


def offences(rule: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in paths
        for line, name in _names_in(path)
        if rule.match(name)
    ]


def test_a_module_stops_at_500_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules(SOURCE)}

    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_a_module_opens_with_a_docstring() -> None:
    assert [path for path in modules(SOURCE) if not ast.get_docstring(_code_of(path))] == []


def test_the_environment_is_read_in_one_place() -> None:
    assert offences(ENVIRONMENT, modules(SOURCE, without=MAY_READ_THE_ENVIRONMENT)) == []


def test_processes_are_started_in_one_place() -> None:
    assert offences(PROCESS, modules(SOURCE, without=MAY_START_PROCESSES)) == []


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
    ],
)
def test_a_rule_sees_what_it_forbids(rule: re.Pattern[str], code: str) -> None:
    assert any(rule.match(name) for _line, name in names(ast.parse(code)))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (ENVIRONMENT, '"""Nobody here reads os.environ."""'),
        (ENVIRONMENT, "from os import path"),
        (PROCESS, "from framemill.media.ffmpeg import run"),
        (STAND_IN, "client.patch('/jobs/1')"),
        (STAND_IN, "import time\ntime.monotonic()"),
    ],
)
def test_a_rule_leaves_the_innocent_alone(rule: re.Pattern[str], code: str) -> None:
    assert not any(rule.match(name) for _line, name in names(ast.parse(code)))
