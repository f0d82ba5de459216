"""Studies of two stages, and how a design is read from its records."""

from dataclasses import replace

import pytest

from tests.lab.recorded import BASE, DATA, VERSIONS, design, record
from thinned.errors import ConfigurationError
from thinned.lab import Study
from thinned.lab.answer import Answer
from thinned.lab.question import Design, Plan, Question
from thinned.lab.scope import Scope
from thinned.lab.studies import STUDIES

pytestmark = pytest.mark.long

RATES = (0.1, 0.5)


def grid(base, scope):
    """The first stage: each rate, judged in validation."""
    return {f"try {rate}": replace(base, rates=(rate,) * 2, validation=0.2) for rate in RATES}


def best(asked, records):
    """The second: the rate that was best there, and none."""
    reached = {}
    for run in records:
        reached.setdefault(run.configuration["rates"][0], []).append(run.final["validation_accuracy"])
    if set(reached) != set(RATES):
        return {}
    rate = max(reached, key=lambda each: sum(reached[each]))
    return {"none": asked.base.without_dropout(), "best": replace(asked.base, rates=(rate,) * 2)}


TWO = Question(
    name="two", asks="Which rate?", how="By validation.", refuted_by="Nothing.", arms=grid,
    answer=lambda asked, records: Answer("seen", f"{len(records)} runs.", "None."),
    quick=Plan("digits", 2, {"hidden": (8,), "epochs": 1}, second=3),
    second=best,
)  # fmt: skip


class TestTwoStages:
    """Tuned, then judged on fresh seeds."""

    def test_the_second_follows_the_first_on_fresh_seeds(self, tmp_path):
        """Its arms are known when the first is complete; what has looked at the test was never chosen by it."""
        study = Study(TWO, "digits", out=tmp_path, jobs=2, settings={"hidden": (8,)})
        before = [(trial.seed, trial.arm) for trial in study.trials()]
        result = study.run()
        second = [(each.seed, each.arm) for each in result.records if each.arm in {"none", "best"}]

        assert [(seed, f"try {rate}") for seed in (0, 1) for rate in RATES] == before
        assert [(seed, arm) for seed in (2, 3, 4) for arm in ("none", "best")] == second
        assert (10, "10 runs.") == (result.new, result.sentence)
        assert all("test_accuracy" not in each.final for each in result.records if each.seed < 2)
        assert (0, 10) == ((again := study.run()).new, again.reused)

    def test_more_seeds_are_those_of_the_second(self):
        """The first stage is the plan's."""
        assert range(2, 7) == Study(TWO, "digits", seeds=5)._seeds()


class TestScope:
    """How much is asked."""

    def test_a_record_gives_the_design_back(self):
        """With its scope and what the user changed."""
        asked = Design(
            STUDIES["dropout"], BASE, DATA["digest"], 1, 1, VERSIONS, Scope("quick", {"rates": (0.1, 0.2)})
        )
        again = Design.of(replace(record("dropout", 0), design=asked.as_json()), STUDIES)

        assert ("quick", {"rates": [0.1, 0.2]}) == (again.scope, again.scope.asked)
        assert (asked.as_json(), asked.arms()) == (again.as_json(), again.arms())

    def test_an_earlier_record_is_of_the_full_scope(self):
        """It says nothing of one."""
        assert "full" == Design.of(record("none", 0), STUDIES).scope
        assert "scope" not in design().as_json()

    @pytest.mark.parametrize("scope", ["", "huge"])
    def test_there_is_no_third(self, scope):
        """It is said which there are."""
        with pytest.raises(ConfigurationError, match="expected a scope, quick or full"):
            Study("dropout", scope=scope)


class TestSelect:
    """Runs that are more than one thing."""

    def test_a_run_of_two_arms_that_are_the_same_training_counts_for_both(self):
        """And is trained once."""
        twice = replace(
            TWO, arms=lambda base, scope: {"one": base, "other": base, "third": base.without_dropout()}
        )
        asked = Design(replace(twice, second=None), BASE, DATA["digest"], 1, 1, VERSIONS)
        found = asked.select([record("dropout", 0), record("none", 0)])

        assert ["one", "other", "third"] == [each.arm for each in found]
