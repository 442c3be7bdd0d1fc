"""Which outputs can still be paid, told as they are encoded."""

import pytest

from framemill.policy.budget import Budget

COSTS = {"a": 1000, "b": 1000, "c": 1000}


def test_reaching_the_cap_is_allowed_and_ends_the_others() -> None:
    budget = Budget(COSTS, 2000)
    assert budget.beyond() == []
    budget.encoded("c")
    assert budget.beyond() == []
    budget.encoded("a")
    assert budget.beyond() == ["b"]
    assert budget.beyond() == []


def test_a_cap_that_all_fit_in_ends_nothing() -> None:
    for left in (3000, None):
        budget = Budget(COSTS, left)
        for key in COSTS:
            budget.encoded(key)
            assert budget.beyond() == []


def test_what_costs_more_than_everything_is_not_begun() -> None:
    assert Budget({"a": 1000, "b": 2001}, 2000).beyond() == ["b"]
    assert Budget(COSTS, 0).beyond() == ["a", "b", "c"]


def test_a_cheaper_one_may_still_fit() -> None:
    budget = Budget({"film": 3000, "other film": 3000, "picture": 1000}, 4000)
    budget.encoded("film")
    assert budget.beyond() == ["other film"]
    budget.encoded("picture")
    assert budget.beyond() == []


def test_of_those_that_were_done_at_once_nobody_is_told() -> None:
    budget = Budget(COSTS, 1000)
    budget.encoded("a")
    budget.encoded("b")
    assert budget.beyond() == ["c"]


def test_what_was_encoded_and_cannot_be_paid_takes_nothing_from_what_still_fits() -> None:
    budget = Budget({"a": 60, "b": 60, "c": 10}, 100)
    budget.encoded("a")
    budget.encoded("b")
    assert budget.beyond() == []
    budget.encoded("c")
    assert budget.beyond() == []


@pytest.mark.parametrize("key", ["a", "nobody"])
def test_saying_it_twice_changes_nothing(key: str) -> None:
    budget = Budget(COSTS, 2000)
    budget.encoded("a")
    budget.encoded(key)
    assert budget.beyond() == []
