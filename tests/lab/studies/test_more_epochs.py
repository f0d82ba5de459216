"""Where the curves cross."""

import numpy as np
import pytest

from tests.lab.studies import made
from thinned.lab.configuration import Configuration
from thinned.lab.crossing import Crossing, crossing, smoothed
from thinned.lab.studies.more_epochs import QUESTION

EPOCHS = 100


def answer(difference, seeds=made.SECOND):
    """What is said where dropout minus none is a function of the epoch, with a noise that has no mean."""
    design = made.design_of(QUESTION, base=Configuration(epochs=EPOCHS))

    def curve(run):
        treated = run.arm == "dropout"
        own = made.noise(run.arm, run.seed // 2) * (-1) ** run.seed
        return lambda epoch: 80 + own + treated * difference(epoch)

    runs = made.records(design, lambda *_: 50.0, seeds=seeds)
    return QUESTION.answer(design, [made.with_curves(run, curve(run)) for run in runs])


class TestAnswer:
    """By the lengths at which a difference is seen."""

    def test_runs_that_collapsed_are_counted(self):
        """Those with dropout lose 23 points of test accuracy here; those without lose nothing."""
        said = answer(lambda epoch: 3.0 if epoch < 50 else -20.0).sentence

        assert (
            "; 8 of 8 finished runs of dropout ended more than 10 points below their own best epoch, 0 of "
            in said
        )
        assert "runs of none" not in said

    @pytest.mark.parametrize(
        ("difference", "verdict", "opening"),
        [
            (lambda epoch: 0.1 * (epoch - 40.5), "crosses", "Dropout needs more epochs, and then wins"),
            (
                lambda epoch: 3.0,
                "ahead",
                "Dropout is ahead in test accuracy at the end, and was not seen behind",
            ),
            (lambda epoch: -0.1 * (epoch - 40.5), "behind", "Dropout is behind in test accuracy at the end"),
            (lambda epoch: 0.0, "undecided", "Whether the curves of test accuracy cross stays open"),
        ],
    )
    def test_it_says_what_the_curves_do(self, difference, verdict, opening):
        """Behind and then ahead, ahead, ahead and then behind, neither."""
        found = answer(difference)

        assert verdict == found.verdict
        assert found.sentence.startswith(opening)

    def test_the_crossing_is_where_it_is(self):
        """The difference is above 0 from epoch 41 on; its noise of about 0.1 / sqrt(8) moves that by an epoch."""
        sentence = answer(lambda epoch: 0.1 * (epoch - 40.5)).sentence

        assert "ahead for good from epoch 41 on" in sentence

    def test_a_length_is_judged_by_its_last_fifth(self):
        """By hand: the mean of epochs 81 to 100, at 0.1 an epoch from 40.5 on, is 5.0."""
        found = answer(lambda epoch: 0.1 * (epoch - 40.5))

        assert "by +5.00 points" in found.sentence
        assert found.sentence.count("after 100 epochs") == 1


class TestCrossing:
    """Of the mean curve, with a bootstrap."""

    def test_a_curve_that_ends_behind_crosses_after_its_end(self):
        """One more than the last epoch; one that is never behind crosses at the first."""
        assert Crossing(11, 11, 11) == crossing(-np.ones((3, 10)))
        assert Crossing(1, 1, 1) == crossing(np.ones((3, 10)))

    def test_seeds_that_cross_apart_make_a_wide_interval(self):
        """Two thirds of the seeds cross at 21, one third at 61: the interval reaches from one to the other."""
        epochs = np.arange(1, 101)
        found = crossing(np.array([np.sign(epochs - at) for at in (20.5, 20.5, 60.5) * 3]))

        assert 19 <= found.low <= 23
        assert found.high >= 59

    def test_it_is_the_same_each_time(self):
        """An answer is a function of its records."""
        values = np.random.default_rng(0).normal(size=(6, 50)).cumsum(1)

        assert crossing(values) == crossing(values)

    def test_the_ends_are_averaged_over_what_there_is(self):
        """No zeros are mixed in from beyond."""
        assert np.ones((1, 9)) == pytest.approx(smoothed(np.ones((1, 9))))
