"""What docs/security.md promises is held by tests that are there."""

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = (HERE.parents[1] / "docs" / "security.md").read_text("utf-8")


def test_every_test_that_is_named_is_there() -> None:
    file, named = "", []
    for module, name in re.findall(r"`(test_\w+\.py)?::(test_\w+)`", DOCUMENT):
        file = module or file
        named.append((file, name))

    missing = [(file, name) for file, name in named if f"def {name}(" not in (HERE / file).read_text("utf-8")]

    assert len(named) > 40
    assert missing == []


def test_every_file_of_attacks_is_named() -> None:
    files = {path.name for path in HERE.glob("test_*.py")} - {Path(__file__).name}

    assert {file for file in files if file not in DOCUMENT} == set()
