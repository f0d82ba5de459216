"""What a page says is computed from records, and from nothing else."""

import random

import pytest

from tests.lab.recorded import BASE, design, pairs, record
from thinned.errors import RecordError
from thinned.lab.configuration import Configuration
from thinned.lab.records import Contents, Damage
from thinned.report import gather

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

    def test_the_verdict_and_the_figures_are_those_of_the_comparison(self):
        """Nothing is computed in a second way."""
        found = gather(contents(*RUNS))

        assert ("Helped", design().compare(RUNS)) == (found.headline, found.comparison)

    def test_the_design_is_that_of_the_last_record(self):
        """Others in the same file are counted, and not mixed in."""
        other = record("dropout", 0, base=Configuration(epochs=3))
        found = gather(contents(other, *RUNS))

        assert (6, 1) == (len(found.records), found.others)

    def test_a_line_whose_design_is_not_its_own_is_not_followed(self):
        """The key does not hold the design; one that was altered, or has no arms, is nobody's."""
        for rates in ([0.9, 0.9], [0.0, 0.0]):
            odd = record("none", 7, design=BASE.as_json() | {"rates": rates}, key="0" * 16)

            assert gather(contents(*RUNS)).records == gather(contents(*RUNS, odd)).records

    def test_a_repository_without_a_commit_is_no_source(self):
        """There is nothing to name."""
        runs = pairs((0.5, 0.6), git={"commit": None, "altered": True})

        assert "Sources" not in dict(gather(contents(*runs)).made_with)

    def test_a_design_can_be_chosen(self):
        """As a study does for its own."""
        other = record("dropout", 0, base=Configuration(epochs=3))

        assert gather(contents(*RUNS)).records == gather(contents(*RUNS, other), design()).records

    def test_curves_are_means_with_intervals_by_epoch(self):
        """In percent where they are accuracies; mean of 50, 60, 70 is 60."""
        (panel,) = [each for each in gather(contents(*RUNS)).panels if each.name == "test_accuracy"]
        none = panel.curves[0]

        assert ("none", (1, 2), "%") == (none.arm, none.epochs, panel.unit)
        assert [60.0, 60.0] == pytest.approx([value.estimate for value in none.values])
        assert none.values[0].low < 50

    def test_damaged_lines_are_told(self):
        """By number."""
        assert 1 == gather(contents(*RUNS, damaged=[Damage(3, "torn")])).damaged

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_an_unfinished_study_has_facts_too(self, count):
        """From the first record on."""
        assert "Unanswered" == gather(contents(*RUNS[:count])).headline

    def test_diverged_runs_have_facts_too(self):
        """Even where every run diverged."""
        runs = [record(arm, seed, status="diverged") for seed in (0, 1) for arm in ("none", "dropout")]
        found = gather(contents(*runs))

        assert ("Unanswered", 2, 2) == (found.headline, found.arms[0].diverged, found.arms[1].diverged)

    def test_no_records_are_an_error(self):
        """That says what to run first."""
        with pytest.raises(RecordError, match=r"got 0 records and 0 damaged lines\. Run `thinned study`"):
            gather(contents())


class TestCommand:
    """How to repeat it."""

    def test_it_has_every_setting(self):
        """So defaults may change."""
        expected = (
            "thinned study dropout --data toy.npz --seeds 3 --epochs 2 --rates 0.2,0.5 --width 32,16 "
            "--lr 0.5 --batch 256"
        )

        assert expected == gather(contents(*RUNS)).command

    def test_a_path_is_quoted(self):
        """A shell reads it as one word."""
        runs = pairs((0.5, 0.6), data=RUNS[0].data | {"asked": "my data; rm -rf.npz"})

        assert "--data 'my data; rm -rf.npz' " in gather(contents(*runs)).command

    def test_seeds_that_no_number_stands_for_become_a_call(self):
        """From Python any seeds can be chosen."""
        found = gather(contents(record("none", 3), record("dropout", 3))).command

        assert found.startswith("thinned.lab.Study('dropout', data='toy.npz', seeds=[3], settings={")
        assert str(BASE.epochs) in found
