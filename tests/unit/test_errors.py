"""Errors cross processes: every class comes back with all that it carries."""

import pickle

import pytest

from framemill import errors
from framemill.errors import FfmpegFailed, FramemillError, InvalidTransition

CLASSES = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FramemillError)),
    key=lambda kind: kind.__name__,
)


def again(error: FramemillError) -> FramemillError:
    found = pickle.loads(pickle.dumps(error))  # noqa: S301 - we pickled it
    assert isinstance(found, FramemillError)
    return found


def made(kind: type[FramemillError]) -> FramemillError:
    if issubclass(kind, InvalidTransition):
        return kind("job", "queued", "Delivered", ("held", "queued"))
    if issubclass(kind, FfmpegFailed):
        return kind("ffmpeg ended with exit status 1", command="ffmpeg -i in.mp4", stderr="no such file")
    return kind("what happened, where, and what to do")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_survives_pickle(kind: type[FramemillError]) -> None:
    error = made(kind)
    twice = again(again(error))
    assert type(twice) is kind
    assert (str(twice), vars(twice), twice.args) == (str(error), vars(error), error.args)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_says_when_it_is_raised_and_stands_in_the_tree(kind: type[FramemillError]) -> None:
    assert kind.__doc__
    assert kind.__name__ in (errors.__doc__ or "")


def test_an_error_keeps_what_was_put_on_it() -> None:
    error = made(FramemillError)
    error.add_note("while stitching")
    assert again(error).__notes__ == ["while stitching"]


def test_a_transition_tells_its_story() -> None:
    assert str(again(made(InvalidTransition))) == "job in state 'queued' cannot take 'Delivered' (after held → queued)"
