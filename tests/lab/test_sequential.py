"""Seeds until a question is decided: the error rate is kept, and a pilot says how many are needed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from statsmodels.stats.power import TTestPower
from torch import nn

from tests.bounds import ALARM
from tests.lab.recorded import design, pairs
from thinned.errors import ConfigurationError
from thinned.lab import Study
from thinned.lab.own import TorchTask
from thinned.lab.own_arms import as_own
from thinned.lab.own_study import NETWORKS, OwnBase
from thinned.lab.sequential import Needed, Until, look, seeds_needed
from thinned.lab.statistics import mean_interval

STUDIES = 1000
MOST_FALSE = stats.binom.isf(ALARM, STUDIES, 0.05)
"""False positives in so many studies, which a rate of 5 % exceeds once in a million."""

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
Y = (X.sum(1) > 0).long()


def null_studies(comparisons=1, seed=0, *, most=60):
    """Paired differences of identical arms: standard normal, axes (study, comparison, seed)."""
    return np.random.default_rng(seed).normal(size=(STUDIES, comparisons, most))


def rulings(until, study):
    """Where the rule stops on given differences, and what it rules."""
    values = {str(k): dict(enumerate(each)) for k, each in enumerate(study)}
    return look(until, range(study.shape[1]), values)


def make(rate):
    """A network of a moment."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(rate), nn.Linear(8, 2))


def task(**changes):
    """A task of a moment."""
    return TorchTask(make, (X, Y), (X[:32], Y[:32]), epochs=1, **changes)


class TestUntil:
    """The rule that stops."""

    @pytest.mark.parametrize("comparisons", [1, 3])
    def test_identical_arms_are_told_apart_in_one_study_of_twenty_at_most(self, comparisons):
        """Seeds are added as long as neither a difference nor its smallness is shown."""
        until = Until(1.0)
        found = [rulings(until, study) for study in null_studies(comparisons)]
        false = sum("shown" in each.rulings.values() for each in found)

        assert false <= MOST_FALSE
        assert len({each.seeds for each in found}) > 3  # they stop at different looks

    def test_whoever_only_waits_for_a_difference_has_the_stated_rate(self):
        """Neither more nor, so that nothing is wasted, much less than 5 %: the bounds are binomial."""
        until = Until(1e-12)
        false = sum(rulings(until, study).decided for study in null_studies(seed=1))

        assert stats.binom.ppf(ALARM, STUDIES, 0.05) <= false <= MOST_FALSE

    def test_ordinary_intervals_at_the_same_looks_would_not_keep_it(self):
        """Which is why they are not used: the test above can fail."""
        looks = Until(0.5).looks()
        false = sum(
            any(mean_interval(values[:n]).excludes_zero for n in looks)
            for values in null_studies(seed=2)[:500, 0]
        )

        assert false > stats.binom.isf(ALARM, 500, 0.05)

    def test_a_true_difference_that_matters_is_hardly_ever_called_small(self):
        """That is the other error: at the margin itself its chance is 2.5 % at most."""
        found = [rulings(Until(0.5), study + 0.5) for study in null_studies(seed=3)]

        assert sum("small" in each.rulings.values() for each in found) <= MOST_FALSE
        assert sum("shown" in each.rulings.values() for each in found) > STUDIES / 2

    def test_its_p_value_and_its_interval_agree(self):
        """The interval excludes 0 where p is below 5 %."""
        until = Until(0.5, most=12)
        values = [study[0, :5] + 1 for study in null_studies(seed=4, most=5)[:300]]
        intervals = [until.interval(each, comparisons=2) for each in values]

        assert [each.excludes_zero for each in intervals] == [each.p <= 0.05 for each in intervals]
        assert len({each.excludes_zero for each in intervals}) == 2

    def test_seeds_beyond_the_look_that_decided_do_not_count(self):
        """An earlier study may have left them; looking at more would be another design."""
        values = dict(enumerate([5.0, 5.1, 4.9, 5.0, 5.2, *[-50.0] * 20]))
        found = look(Until(0.5), range(25), {"a": values})

        assert (5, None, {"a": "shown"}) == (found.seeds, found.next, found.rulings)

    def test_a_seed_that_is_missing_ends_the_looks_before_it(self):
        """A look is at the first n seeds, all of them."""
        values = {seed: float(seed % 3) - 1 for seed in range(12) if seed != 6}
        found = look(Until(0.1), values, {"a": values})

        assert (5, 8) == (found.seeds, found.next)

    def test_values_without_spread_decide_nothing(self):
        """Accuracies are counts, and five may agree by chance."""
        found = look(Until(0.5, most=8), range(8), {"a": dict.fromkeys(range(8), 0.0)})

        assert (8, None, {"a": "open"}, False) == (found.seeds, found.next, found.rulings, found.decided)

    def test_the_last_look_is_where_the_design_says(self):
        """And the first one too."""
        assert (5, 8, 12, 18, 20) == Until(1, most=20).looks()
        assert (10,) == Until(1, most=10, first=10).looks()
        assert Until(1, 20, 4) == Until.from_json(Until(1, 20, 4).as_json())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((0,), "a difference above 0"),
            ((float("nan"),), "a difference above 0"),
            ((1, 4), "a last one no earlier; got 5 and 4"),
            ((1, 9, 2), "a first look at 3 seeds or more"),
        ],
    )
    def test_what_is_no_design_is_refused(self, arguments, message):
        """At once."""
        with pytest.raises(ConfigurationError, match=message):
            Until(*arguments)


class TestSeedsNeeded:
    """From a pilot."""

    @pytest.mark.parametrize("difference", [0.2, 0.5, 1.0, 3.0])
    def test_it_is_what_statsmodels_computes(self, difference):
        """Of which it is independent: there the noncentral t, here an average over the spread."""
        pilot = [1.0, -1.0, 0.5, -0.5]
        found = seeds_needed(pilot, difference)
        power = [
            TTestPower().power(difference / found.spread, n, 0.05) for n in (found.seeds - 1, found.seeds)
        ]

        assert found.seeds == 2 or power[0] < 0.8 + 1e-3
        assert power[1] >= 0.8 - 1e-3

    def test_the_cautious_figure_is_enough_four_times_in_five(self):
        """The true spread lies below its limit in so many pilots."""
        pilots = null_studies(seed=5, most=5)[:200, 0]
        enough = seeds_needed([-1.0, 1.0], 1.0)
        needed = [seeds_needed(list(pilot), 1.0).cautious for pilot in pilots]
        truth = next(n for n in range(2, 99) if TTestPower().power(1.0, n, 0.05) >= 0.8)

        assert isinstance(enough, Needed)
        assert sum(each >= truth for each in needed) >= stats.binom.ppf(ALARM, 200, 0.8)

    @pytest.mark.parametrize(
        ("pilot", "difference", "message"),
        [([0.0, 0.0], 1, "differences that differ"), ([1.0], 1, "that differ"), ([1.0, 2.0], 0, "above 0")],
    )
    def test_what_says_nothing_is_refused(self, pilot, difference, message):
        """With what to do."""
        with pytest.raises(ConfigurationError, match=message):
            seeds_needed(pilot, difference)


class TestNullStudies:
    """What ordinary intervals claim."""

    def test_they_cover_in_95_of_100(self):
        """100 studies of identical arms over five seeds each: how often 0 lies outside is binomial."""
        studies = null_studies(comparisons=2, seed=6, most=5)[:100]
        answers = [
            design().answer(pairs(*(0.8 + 0.01 * accuracies.T).tolist())).verdict for accuracies in studies
        ]

        assert answers.count("undecided") >= 100 - stats.binom.isf(ALARM, 100, 0.05)
        assert {"undecided"} < set(answers) <= {"undecided", "helped", "hurt"}


class TestStudy:
    """From the rule to runs."""

    def test_it_trains_until_it_is_decided_and_says_so(self, tmp_path):
        """Width 100 points: the first look suffices, and the same command again trains nothing."""
        arms = {"without": {"rate": 0.0}, "with": {"rate": 0.5}}
        study = Study("Does it help?", task(), arms, Until(1000, first=3), out=tmp_path, jobs=1)
        result = study.run()
        again = Study("Does it help?", task(), arms, Until(1000, first=3), out=tmp_path, jobs=1)

        assert (6, ()) == (result.new, again.missing() if result.answer.verdict == "small" else ())
        assert "does-it-help-until" == study.name
        if result.answer.verdict != "undecided":  # differences without spread decide nothing
            assert "is shown to be smaller than 1000 percentage points" in result.sentence

    def test_records_that_say_too_little_ask_for_more_seeds(self, tmp_path):
        """The next look is trained, and no more."""
        base = OwnBase("Why?", {"a": {}, "b": {"lr": 0.1}}, NETWORKS, {}, until=Until(0.5))
        assert base == OwnBase.from_json(base.as_json())
        assert base.as_json() != replace(base, until=None).as_json()

        study = Study("Why?", "digits", {"a": {}, "b": {"lr": 0.1}}, Until(0.5), out=tmp_path)

        assert {0, 1, 2, 3, 4} == {trial.seed for trial in study.trials()}

    def test_a_study_becomes_a_question_of_ones_own(self, tmp_path):
        """Its arms train what they would have trained."""
        study = Study("dropout", "digits", settings={"epochs": 2, "hidden": (8,)}, out=tmp_path)
        own = as_own(study, Until(0.5))

        assert [each.as_json() for each in study.design().arms().values()] == [
            each.as_json() for each in own.design().arms().values()
        ]

    def test_what_cannot_be_asked_so_is_refused(self):
        """A study by name, or in two stages."""
        with pytest.raises(ConfigurationError, match="a question of your own, with arms"):
            Study("dropout", "digits", seeds=Until(0.5))
        with pytest.raises(ConfigurationError, match="in one stage"):
            as_own(Study("better-noise", "digits"), Until(0.5))
