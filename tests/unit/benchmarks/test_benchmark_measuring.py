"""The arithmetic of the benchmarks: medians, pairs, turns."""

import psutil
import pytest
from benchmarks.measuring import ProcessTree, by_name, interleaved, ratios, spread


def test_a_spread_counts_by_its_median_and_shows_its_ends() -> None:
    found = spread([3.0, 1.0, 2.0])

    assert found.median == 2.0
    assert found.show() == "2.00 (1.00–3.00)"


def test_one_run_has_no_spread() -> None:
    assert spread([1.25]).show(1) == "1.2"


def test_ratios_are_taken_pair_by_pair() -> None:
    assert ratios([2.0, 30.0], [4.0, 10.0]).values == (0.5, 3.0)


def test_a_run_without_its_pair_has_no_ratio() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        ratios([1.0], [1.0, 2.0])


def test_stages_keep_their_order_and_may_be_missing() -> None:
    found = by_name([{"read": 1.0, "encode": 2.0}, {"read": 3.0, "encode": 4.0, "join": 5.0}])

    assert {name: figure.values for name, figure in found.items()} == {
        "read": (1.0, 3.0),
        "encode": (2.0, 4.0),
        "join": (5.0,),
    }
    assert list(found) == ["read", "encode", "join"]


def test_both_sides_run_in_turns() -> None:
    order: list[str] = []

    def side(name: str, run: int) -> str:
        order.append(f"{name}{run}")
        return name

    told = interleaved(3, lambda run: side("a", run), lambda run: side("b", run))

    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert told == (["a"] * 3, ["b"] * 3)


def test_a_tree_holds_the_process_it_is_asked_in() -> None:
    tree = ProcessTree()

    assert psutil.Process() in tree.living()
    assert tree.cpu_seconds() > 0
