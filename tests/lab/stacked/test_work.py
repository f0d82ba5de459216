"""A cohort in a worker: news of each trial, and halves where the whole fails."""

import pytest

from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.pool import Cohort, run_all
from thinned.lab.stacked import work

pytestmark = pytest.mark.long

QUICK = Configuration((8,), (0.5,), batch=1000, epochs=2)
DATA = load("digits")


def tasks(*seeds):
    """Trials of one configuration."""
    return [{"configuration": QUICK.as_json(), "seed": seed} for seed in seeds]


class TestTrainCohort:
    """Messages."""

    def test_each_trial_has_its_news(self):
        """Two epochs and an outcome that says how many were trained together, and on what."""
        news = []
        work.train_cohort(tasks(5, 6), "cpu", DATA, news.append)
        kinds = [(message["trial"], "epoch" if "epoch" in message else "outcome") for message in news]

        assert [(0, "epoch"), (1, "epoch")] * 2 + [(0, "outcome"), (1, "outcome")] == kinds
        assert news[-1]["stacked"]["trials"] == 2
        assert news[-1]["stacked"]["device"] == "cpu"

    def test_one_that_fails_costs_the_others_nothing(self):
        """A seed that is none: halves are tried until it is alone."""
        news = []
        work.train_cohort(tasks(5, "seven", 6, 7), "cpu", DATA, news.append)
        ends = {
            message["trial"]: "error" if "error" in message else "outcome"
            for message in news
            if "epoch" not in message
        }

        assert {0: "outcome", 1: "error", 2: "outcome", 3: "outcome"} == ends
        assert "AddressError" in next(message["error"] for message in news if "error" in message)

    def test_no_room_for_all_is_room_for_half(self, monkeypatch):
        """A device's memory that holds two networks trains four, two by two."""
        whole = work.train_stacked

        def narrow(trials, *rest):
            if len(trials) > 2:
                raise MemoryError
            return whole(trials, *rest)

        monkeypatch.setattr(work, "train_stacked", narrow)
        news = []
        work.train_cohort(tasks(1, 2, 3, 4), "cpu", DATA, news.append)
        sizes = [message["stacked"]["trials"] for message in news if "outcome" in message]

        assert [2] * 4 == sizes

    def test_a_study_that_is_gone_ends_it(self):
        """A pipe that nobody reads is no reason to try halves."""

        def gone(_):
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            work.train_cohort(tasks(1, 2), "cpu", DATA, gone)


class TestPool:
    """Cohorts in worker processes."""

    def test_cohorts_and_single_trials_side_by_side(self):
        """Every trial has one outcome, under its own number."""
        cohorts = [Cohort((0, 2), "cpu"), Cohort((1,))]
        ends = {
            event.index: event.content.get("stacked")
            for event in run_all(tasks(0, 1, 2), {"data": "digits", "data_dir": None}, 1, cohorts)
            if event.kind == "outcome"
        }

        assert {0, 1, 2} == set(ends)
        assert [2, None, 2] == [each and each["trials"] for _, each in sorted(ends.items())]
