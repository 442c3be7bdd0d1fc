"""What a child may answer when its function failed."""

import pytest

from framemill import errors
from framemill.errors import ChildFailed, FramemillError, SourceUnreadable
from framemill.media.isolate import _Failure


def test_an_error_comes_back_by_its_class_and_message() -> None:
    error = _Failure(kind="SourceUnreadable", message="a.mp4 is no media").error()
    assert (type(error), error.message) == (SourceUnreadable, "a.mp4 is no media")


@pytest.mark.parametrize("kind", ["Any", "_rebuild", "__doc__", "__builtins__", "SystemExit", "KeyboardInterrupt", ""])
def test_a_child_that_was_taken_over_can_name_no_other_class(kind: str) -> None:
    error = _Failure(kind=kind, message="rm -r").error()
    assert (type(error), error.message) == (ChildFailed, "rm -r")


KINDS = sorted(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, FramemillError)
)


@pytest.mark.parametrize(
    "kind",
    KINDS,
)
def test_every_error_of_ours_can_come_back(kind: str) -> None:
    assert isinstance(_Failure(kind=kind, message="why").error(), FramemillError)
