"""A bound that does not hold is seen."""

from dataclasses import replace

import pytest

from thinned.lab.frameworks.catalogue import FRAMEWORKS, Found
from thinned.lab.frameworks.records import Run
from thinned.lab.frameworks.setting import Setting
from thinned.lab.frameworks.verdict import Runs, answer, compared_steps, lines


def trained(losses, last=0.5, *, mismatches=0, chain="a", dtype="float64", steps=3):
    """A record with these losses."""
    ledger = {"masks": 6, "elements": 600, "mismatches": mismatches, "chain": chain, "expected": "a"}
    outcome = {"losses": losses, "test_loss": [last], "test_accuracy": [last], "ledger": ledger}
    setting = Setting(dtype, "law", 0, steps, 0).as_json()
    return Run("", "frameworks", "", setting, {"test_examples": 100}, outcome, 1, 1, {}, {}, None, "", 0.0)


def runs(which, losses=(3.0, 2.0, 1.0), ends=(0.4, 0.5, 0.6) * 6, **changes):
    """The trainings of a framework."""
    exact = trained(list(losses), **changes)
    restarts = tuple(trained([3.0, 2.0, 1.0], end) for end in ends)
    return Runs(Found(FRAMEWORKS[which], "", {}), exact, trained([3.0, 2.0, 1.0]), restarts, trained([3.0]))


class TestLines:
    """Two frameworks, the first the reference."""

    def test_equal_ones_hold(self):
        """And the headline says so."""
        found = lines([runs(0), runs(1)])

        assert [True, True] == [line.holds for line in found]
        assert "One address, one mask; one seed, one curve" == answer(found, "digits")["headline"]

    @pytest.mark.parametrize(
        ("other", "headline"),
        [
            (runs(1, mismatches=1), "The masks are not the same"),
            (runs(1, chain="b"), "The masks are not the same"),
            (runs(1, losses=(3.0, 2.0, 1.0 + 2e-8)), "The same masks, and not one curve"),
            (runs(1, losses=(3.0, 2.0)), "The same masks, and not one curve"),
            (runs(1, ends=(0.7, 0.8, 0.9) * 6), "the same end is not shown"),
        ],
        ids=["a mismatch", "a chain", "a loss beyond 1e-8", "a training that ended early", "another end"],
    )
    def test_what_does_not_hold_is_named(self, other, headline):
        """The first framework alone still holds."""
        found = lines([runs(0), other])

        assert [True, False] == [line.holds for line in found]
        assert headline in answer(found, "digits")["headline"]

    def test_the_difference_is_relative_and_the_largest(self):
        """Of all steps that the bound is for."""
        (_, line) = lines([runs(0), runs(1, losses=(3.0 + 3e-9, 2.0, 1.0 - 5e-9))])

        assert 5e-9 == pytest.approx(line.float64)
        assert line.holds

    def test_the_sentences(self):
        """Short ones, with the steps that were compared, and whose end is not shown to be the same."""
        first, other = runs(0), runs(1, ends=(0.7, 0.8, 0.9) * 6)
        same, different = (answer(lines([first, each]), "digits")["sentence"] for each in (runs(1), other))

        assert "over 3 steps in float64, and by 0.0e+00 over 3 in float32." in same
        assert {"float64": 3, "float32": 3} == compared_steps(first)
        assert "equivalence with NumPy is shown for PyTorch." in same
        assert "equivalence with NumPy is not shown for PyTorch." in different
        assert ";" not in different
        assert "or more" not in same

    def test_few_restarts_are_said(self):
        """Below ten."""
        for count, said in ((9, True), (10, False)):
            found = lines([runs(k, ends=[0.1 * i for i in range(count)]) for k in (0, 1)])
            assert said == ("takes 10 restarts or more" in answer(found, "digits")["sentence"])

    def test_steps_beyond_the_bounds_own_do_not_count(self):
        """In float32, training amplifies rounding; its bound is for 20 steps."""
        ours, theirs = (
            replace(runs(k), plain=trained([1.0] * 20 + [end], steps=21)) for k, end in ((0, 1), (1, 2))
        )
        (_, line) = lines([ours, theirs])

        assert 0 == line.float32
