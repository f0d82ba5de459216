"""What holds of every study that is a grid of arms, whatever it asks."""

import pytest

from tests.lab.studies import made
from thinned.errors import ConfigurationError
from thinned.lab.answer import Chart
from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.scope import Scope
from thinned.lab.studies import (
    better_noise,
    drop_connect,
    find,
    less_data,
    more_epochs,
    normalisation,
    placement,
    swap_rates,
    weight_decay,
    width,
)
from thinned.lab.training import train

GRIDS = (
    swap_rates, more_epochs, weight_decay, drop_connect, better_noise, width, less_data, normalisation, placement,
)  # fmt: skip

each_study = pytest.mark.parametrize("study", GRIDS, ids=lambda study: study.QUESTION.name)

CLAIMED = {
    "swap-rates": {"first", "second"},
    "more-epochs": {"crosses", "ahead", "behind"},
    "weight-decay": {"additive", "diminishing", "cancelling", "synergy"},
    "drop-connect": {"better", "worse", "mixed"},
    "better-noise": {"better"},
    "width": {"grows", "falls"},
    "less-data": {"grows", "falls"},
    "normalisation": {"less", "more", "mixed"},
    "placement": {"differs"},
}
"""Verdicts that claim something."""


@each_study
class TestEveryGrid:
    """Honest at both ends: nothing yet, and nothing there."""

    def test_it_is_found_by_its_name(self, study):
        """The command line reads the table of studies."""
        assert find(study.QUESTION.name) is study.QUESTION

    @pytest.mark.parametrize("seeds", [0, 1])
    def test_without_two_seeds_there_is_no_answer(self, study, seeds):
        """No records, or one seed: unanswered, in words, and no interval anywhere."""
        found = made.answer(study.QUESTION, made.noisy(made.null), seeds=range(seeds))

        assert "unanswered" == found.verdict
        assert found.sentence.startswith("There is no answer yet: ")
        assert not found.charts

    def test_where_nothing_differs_nothing_is_claimed(self, study):
        """Runs that differ by noise alone."""
        found = made.answer(study.QUESTION, made.noisy(made.null))

        assert found.verdict not in CLAIMED[study.QUESTION.name]
        assert "four times in five" in found.sentence

    def test_runs_that_are_equal_make_no_claim_and_no_error(self, study):
        """Networks that learned nothing: every difference is exactly 0."""
        found = made.answer(study.QUESTION, lambda arm, configuration, seed: 10.0)

        assert found.verdict not in CLAIMED[study.QUESTION.name]
        assert "no run differs from its twin" in found.power
        assert "show a change of" not in found.sentence

    def test_an_answer_has_a_picture_figures_and_its_power(self, study):
        """One sentence with an interval; charts with something in them; tables; how many seeds."""
        found = made.answer(study.QUESTION, made.noisy(made.null))

        assert found.sentence.endswith(".")
        assert "95 % interval" in found.sentence
        assert "8 seeds" in found.power
        assert all(
            any(series.x for series in chart.series) for chart in found.charts if isinstance(chart, Chart)
        )
        assert found.charts
        assert all(table.rows for table in found.tables)

    def test_full_arms_are_configurations_that_can_be_trained(self, study):
        """The full design's settings and grids are such as a configuration takes, with ten seeds or more."""
        question = study.QUESTION
        base = Configuration().changed(question.full.settings)
        arms = question.arms(base, Scope("full", {}, made.COUNTS))

        assert len(arms) >= len(question.arms(base, Scope("quick", {}, made.COUNTS)))
        assert all(isinstance(each, Configuration) for each in arms.values())
        assert (question.full.second or question.full.seeds) >= 10


@pytest.mark.parametrize(
    ("study", "setting"),
    [
        (swap_rates, "rates"),
        (weight_decay, "rates"),
        (drop_connect, "rates"),
        (better_noise, "rates"),
        (width, "hidden"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_a_setting_that_is_varied_cannot_be_set(study, setting):
    """It would be passed over without a word."""
    with pytest.raises(
        ConfigurationError, match=f"expected no value for {setting}, which this study varies itself"
    ):
        study.QUESTION.arms(Configuration(), Scope("quick", {setting: (0.3,)}))


TINY = {"hidden": (16, 16), "batch": 256, "epochs": 1}


@pytest.fixture(scope="module")
def digits():
    """The data of every quick design."""
    return load("digits")


@pytest.fixture(scope="module")
def trained():
    """Outcomes by (configuration, seed): studies share networks."""
    return {}


@each_study
def test_a_tiny_real_run_is_answered(study, digits, trained, monkeypatch):
    """Two seeds of each arm, trained for one epoch at small width, from the first stage to the sentence."""
    monkeypatch.setattr(width, "WIDTHS", {"quick": (8, 16)})
    monkeypatch.setattr(less_data, "LONGEST", 2)
    monkeypatch.setattr(placement, "TRANSFORMERS", {"quick": {"hidden": (8,), "batch": 256, "epochs": 1}})
    question = study.QUESTION
    design = made.design_of(question, base=Configuration().changed(TINY))

    def runs(arms, seeds):
        for seed in seeds:
            for arm, each in arms.items():
                if (each, seed) not in trained:
                    trained[each, seed] = train(each, seed, digits).as_json()
                yield made.record(design, arm, each, seed, 0.0, **trained[each, seed])

    first = list(runs(design.arms(), range(2)))
    later = list(runs(question.second(design, first), range(2, 4))) if question.second else []
    found = question.answer(design, first + later)

    assert found.verdict != "unanswered"
    assert "over 2 " in found.sentence
