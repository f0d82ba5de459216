"""What a page says is computed from records, and from nothing else."""

import random
from dataclasses import replace

import pytest

from tests.lab.recorded import BASE, design, pairs, record
from thinned.errors import RecordError
from thinned.lab.configuration import Configuration
from thinned.lab.records import Contents, Damage
from thinned.report import gather
from thinned.report.facts import spans

RUNS = pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))


def contents(*records, damaged=()):
    """A store that holds these."""
    return Contents(tuple(records), tuple(damaged))


class TestGather:
    """Records in, facts out."""

    def test_the_order_of_the_lines_does_not_matter(self):
        """Parallel runs finish in any order; the facts are the same."""
        shuffled = random.Random(1).sample(RUNS, len(RUNS))  # noqa: S311 - no secret

        assert gather(contents(*RUNS)) == gather(contents(*shuffled))

    def test_the_answer_is_that_of_the_question(self):
        """Nothing is computed in a second way."""
        found = gather(contents(*RUNS))

        assert found.answer == design().question.answer(design(), RUNS)
        assert "helped" == found.answer.verdict

    def test_the_design_is_that_of_the_last_record(self):
        """Others in the same file are counted, and not mixed in."""
        other = record("dropout", 0, base=Configuration(epochs=3))
        found = gather(contents(other, *RUNS))

        assert 6 == len(found.records)
        assert "1 records of other designs" in dict(found.about)["Not counted here"]

    def test_a_line_whose_design_has_no_arms_is_not_followed(self):
        """Something else wrote it; the design before it is reported."""
        odd = record("none", 7, design=BASE.as_json() | {"rates": [0.0, 0.0]})

        assert gather(contents(*RUNS, odd)).records[: len(RUNS)] == gather(contents(*RUNS)).records

    def test_a_repository_without_a_commit_is_no_source(self):
        """There is nothing to name."""
        runs = pairs((0.5, 0.6), git={"commit": None, "altered": True})

        assert "Sources" not in dict(gather(contents(*runs)).about)

    def test_a_design_can_be_chosen(self):
        """As a study does for its own."""
        other = record("dropout", 0, base=Configuration(epochs=3))

        assert gather(contents(*RUNS)).records == gather(contents(*RUNS, other), design()).records

    def test_damaged_lines_are_told(self):
        """By number."""
        assert dict(gather(contents(*RUNS, damaged=[Damage(3, "torn")])).about)["Damaged"].startswith(
            "1 lines"
        )

    def test_stacked_runs_are_told(self):
        """Their figures are those of the run alone but for rounding."""
        one = replace(RUNS[0], stacked={"trials": 2, "device": "cpu", "duration_s": 3.0})

        assert dict(gather(contents(one, *RUNS[1:])).about)["Stacked"].startswith("1 of 6 runs")

    def test_what_was_run_is_counted(self):
        """In words."""
        assert "2 arms, 3 seeds, 6 runs" == gather(contents(*RUNS)).counted

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_an_unfinished_study_has_facts_too(self, count):
        """From the first record on."""
        assert "unanswered" == gather(contents(*RUNS[:count])).answer.verdict

    def test_diverged_runs_have_facts_too(self):
        """Even where every run diverged."""
        runs = [record(arm, seed, status="diverged") for seed in (0, 1) for arm in ("none", "dropout")]
        found = gather(contents(*runs))

        assert "unanswered" == found.answer.verdict
        assert ["diverged after 1 epochs"] * 4 == [row[2] for row in found.runs.rows]

    def test_no_records_are_an_error(self):
        """That says what to run first."""
        with pytest.raises(RecordError, match=r"got 0 records and 0 damaged lines\. Run `thinned study`"):
            gather(contents())


class TestWords:
    """Small ones."""

    def test_seeds_in_a_row_are_a_span(self):
        """Two of them are two."""
        assert "0 to 3, 7, 8, 20" == spans([8, 7, 20, 0, 1, 2, 3, 3])
