"""Rates that follow the step or the depth: what they are, at each step, in every arithmetic."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import thinned
from tests.strategies import SCHEDULES, WORDS
from thinned.errors import RateError
from thinned.mask.rate import LEVELS
from thinned.methods.batch_dropout import check_groups
from thinned.methods.dropconnect import check_samples
from thinned.methods.patch_dropout import check_prefix
from thinned.methods.schedule import Schedule, changes, check_rate


class TestValues:
    """`linear`, `cosine`, `early`, `late`."""

    @pytest.mark.parametrize(
        ("schedule", "expected"),
        [
            (thinned.linear(0, 0.5, steps=4), [0, 0.125, 0.25, 0.375, 0.5, 0.5]),
            (thinned.linear(0.5, 0, steps=2, begin=2), [0.5, 0.5, 0.5, 0.25, 0, 0]),
            (thinned.cosine(0, 0.5, steps=4), [0, 4799 / 65536, 0.25, 27969 / 65536, 0.5, 0.5]),
            (thinned.early(0.5, until=2), [0.5, 0.5, 0, 0]),
            (thinned.late(0.5, after=2), [0, 0, 0.5, 0.5]),
            (thinned.early(0.5, until=0), [0, 0]),
            (thinned.linear(1, 0, steps=1), [1, 0]),
        ],
        ids=str,
    )
    def test_are_those_of_the_formula(self, schedule, expected):
        """Quantised to the law's multiples of 1/65536."""
        assert expected == [schedule(step) for step in range(len(expected))]

    @given(SCHEDULES, WORDS)
    def test_are_rates_of_the_law(self, schedule, step):
        """In [0, 1], between both ends, and a multiple of 1/65536, at the last step as at the first."""
        rate = schedule(step)
        low, high = sorted(round(end * LEVELS) / LEVELS for end in (schedule.start, schedule.end))

        assert low <= rate <= high
        assert (rate * LEVELS).is_integer()

    @given(SCHEDULES, WORDS)
    def test_torch_and_numpy_agree(self, schedule, step):
        """In float64 the same threshold, bit for bit."""
        traced = torch.round(schedule.at(torch.tensor(step).double(), torch) * LEVELS)

        assert schedule(step) * LEVELS == float(traced)

    def test_a_tie_is_the_same_with_any_cosine(self):
        """An error of the last bit on either side rounds to the same even threshold."""
        schedule = thinned.cosine(0, 3 / LEVELS, steps=2)  # at its middle 1.5 / 65536
        found = []
        for error in (-(2.0**-53), 0.0, 2.0**-53):

            class Near:
                """NumPy, with another library's cosine."""

                clip, round, where = np.clip, np.round, np.where

                @staticmethod
                def cos(x, error=error):
                    """Off by one unit in the last place."""
                    return np.cos(x) + error

            found.append(round(float(schedule.at(np.float64(1), Near)) * LEVELS))

        assert [2, 2, 2] == found


class TestDepth:
    """A ramp over the depth, without steps."""

    def test_from_the_first_to_the_last(self):
        """In equal parts, exact at both ends."""
        ramp = thinned.linear(0, 0.2)

        assert [0, 0.05, 0.1, 0.15, 0.2] == pytest.approx([ramp.along(place, 5) for place in range(5)])
        assert (0.0, 0.2) == (ramp.along(0, 5), ramp.along(4, 5))

    def test_a_single_layer_is_the_last(self):
        """It has the rate that was asked for."""
        assert thinned.cosine(0, 0.2).along(0, 1) == 0.2

    def test_is_a_constant_of_the_law(self):
        """What rounds to nothing is 0, and what rounds to everything 1."""
        assert [thinned.linear(0, 1e-6).along(1, 2), thinned.linear(0, 1 - 1e-9).along(1, 2)] == [0.0, 1.0]

    def test_has_no_rate_at_a_step(self):
        """The message says who resolves it."""
        with pytest.raises(
            RateError, match=r"got linear\(0, 0.2\), a ramp over the depth .* thinned.torch.convert"
        ):
            thinned.linear(0, 0.2)(3)

    def test_a_schedule_of_the_step_has_none_by_depth(self):
        """Nor the reverse."""
        with pytest.raises(RateError, match="expected a ramp over the depth"):
            thinned.early(0.5, until=3).along(0, 2)


class TestArguments:
    """What is refused, and in which words."""

    @pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "0.5", True, None])
    def test_rates_outside_of_0_and_1(self, rate):
        """Each end of each schedule."""
        for make in (
            lambda: thinned.linear(rate, 0.5, steps=3),
            lambda: thinned.cosine(0.5, rate, steps=3),
            lambda: thinned.linear(0, rate),
            lambda: thinned.early(rate, until=3),
            lambda: thinned.late(rate, after=3),
        ):
            with pytest.raises(RateError, match=r"expected a schedule that stays in \[0, 1\]"):
                make()

    @pytest.mark.parametrize("steps", [0, -1, 2**32, 1.5, True, "3"])
    def test_steps(self, steps):
        """At least one, whole, and within a step's width."""
        with pytest.raises(RateError, match=r"expected a whole number in \[1, 2\^32\); got steps="):
            thinned.linear(0, 0.5, steps=steps)

    def test_numbers_of_numpy(self):
        """Are as good as Python's, in schedules and where layers count; its truth values are not."""
        ours = thinned.linear(0.0, 0.5, steps=10, begin=2)
        theirs = thinned.linear(np.float64(0), np.float32(0.5), steps=np.int32(10), begin=np.uint8(2))
        assert (ours, str(ours), hash(ours)) == (theirs, str(theirs), hash(theirs))
        assert (2, 1, 3) == (check_groups(np.int64(2)), check_prefix(np.uint8(1)), check_samples(np.int16(3)))
        with pytest.raises(RateError):
            thinned.linear(0.0, 0.5, steps=np.True_)

    def test_begin_and_switches(self):
        """The same for the step at which something begins."""
        with pytest.raises(RateError, match="got after=-1"):
            thinned.late(0.5, after=-1)
        with pytest.raises(RateError, match="got steps=None"):
            thinned.linear(0, 0.5, begin=3)

    def test_unknown_keywords(self):
        """Are a TypeError."""
        with pytest.raises(TypeError):
            thinned.linear(0, 0.5, step=3)

    def test_check_rate(self):
        """Takes schedules, and constants of the law."""
        schedule = thinned.linear(0, 0.5, steps=3)

        assert check_rate(schedule) is schedule
        with pytest.raises(RateError):
            check_rate(1e-9)


class TestSchedule:
    """The object."""

    @given(SCHEDULES)
    def test_prints_as_it_is_written(self, schedule):
        """`repr` makes it again."""
        names = {name: getattr(thinned, name) for name in ("linear", "cosine", "early", "late")}

        assert schedule == eval(repr(schedule), names)  # noqa: S307 - our own text

    def test_a_ramp_prints_as_it_is_written(self):
        """Without steps."""
        assert "linear(0, 0.2)" == repr(thinned.linear(0, 0.2))

    def test_is_a_value(self):
        """Equal, hashable, and the same after pickling."""
        schedule = thinned.linear(0, 0.5, steps=3)

        assert {schedule} == {pickle.loads(pickle.dumps(schedule)), Schedule("linear", 0, 0.5, 3)}  # noqa: S301


class TestChanges:
    """`changes`: a schedule for programs that have no float64."""

    @settings(max_examples=25)
    @given(schedule=SCHEDULES, steps=st.lists(WORDS, min_size=1, max_size=20))
    def test_thresholds_are_those_of_a_call(self, schedule, steps):
        """At any step of 32 bits, and around each change."""
        first, sign, moved = changes(schedule)
        around = [int(step) + offset for step in moved[:: max(1, len(moved) // 20)] for offset in (-1, 0)]
        for step in [*steps, *around]:
            level = first + sign * int(np.searchsorted(moved, np.uint32(step), side="right"))
            assert round(schedule(step) * 65536) == level
