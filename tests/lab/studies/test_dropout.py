"""The sentence that the study ends with."""

from dataclasses import replace

import pytest

from tests.lab.recorded import pairs, record
from thinned.errors import ConfigurationError
from thinned.lab.comparison import compare
from thinned.lab.configuration import Configuration
from thinned.lab.scope import Scope
from thinned.lab.studies.dropout import arms, sentence
from thinned.lab.wording import NOTHING_VARIES


def answer(*records):
    """What is said of these records."""
    return sentence(compare(records, "none", "dropout"), "toy")


class TestSentence:
    """One sentence, with figures."""

    def test_it_has_every_figure(self):
        """Change and interval of all three metrics, both levels, and the number of pairs.

        By hand: differences 2, 3, 4; t(0.975, 2) = 4.30265, s / sqrt(3) = 0.57735, half width 2.484.
        """
        expected = (
            "Dropout helped here: on toy, over 3 paired seeds, it changed test accuracy by +3.00 percentage "
            "points (95 % interval +0.52 to +5.48), from 60.00 % to 63.00 %, test loss by -0.0300 (95 % "
            "interval -0.0548 to -0.0052), and the generalisation gap by +0.00 percentage points (95 % "
            "interval +0.00 to +0.00)."
        )

        assert expected == answer(*pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74)))

    @pytest.mark.parametrize(
        ("accuracies", "opening"),
        [
            ([(0.6, 0.5), (0.6, 0.501)], "Dropout hurt here:"),
            ([(0.6, 0.5), (0.5, 0.6)], "Whether dropout helps here stays open:"),
            ([(0.6, 0.5)], "There is no answer yet: on toy, 1 seed finished both"),
        ],
    )
    def test_it_opens_with_the_verdict(self, accuracies, opening):
        """Helped, hurt, open, or no answer yet."""
        assert answer(*pairs(*accuracies)).startswith(opening)

    @pytest.mark.parametrize(("change", "word"), [(-0.01, "fell"), (0.01, "rose")])
    def test_it_says_what_the_loss_did_where_accuracy_leaves_it_open(self, change, word):
        """A loss that surely moved is no open question."""
        runs = pairs((0.6, 0.5), (0.5, 0.6), (0.5, 0.5))
        for k, run in enumerate(runs):
            losses = {"test_loss": 0.5 + (change + 0.0001 * k if run.arm == "dropout" else 0)}
            runs[k] = replace(run, final=run.final | losses)

        assert answer(*runs).startswith(
            f"Whether dropout helps here stays open, though the test loss {word}: "
        )

    def test_an_open_answer_says_what_would_have_been_seen(self):
        """The smallest change that such runs show four times in five."""
        assert "points, runs this noisy would show it four times in five" in answer(
            *pairs((0.6, 0.5), (0.5, 0.6), (0.5, 0.5))
        )

    def test_runs_that_do_not_vary_are_told(self):
        """A difference of exactly nothing is no precise answer."""
        assert answer(*pairs((0.1, 0.1), (0.1, 0.1))).endswith(f"; {NOTHING_VARIES}.")

    def test_diverged_runs_are_told(self):
        """By arm, out of how many."""
        runs = [
            *pairs((0.99, 1.0), (0.99, 1.0)),
            record("none", 2, 0.99),
            record("dropout", 2, status="diverged"),
        ]

        assert sentence(compare(runs, "none", "dropout"), "toy", runs).endswith(
            "; 1 of 3 runs of dropout diverged and are in no difference."
        )

    def test_networks_that_learned_nothing_are_told(self):
        """Finite losses and the accuracy of guessing: a learning rate far too large."""
        runs = pairs((0.5, 0.5), (0.5, 0.5))

        assert sentence(compare(runs, "none", "dropout"), "toy", runs).endswith(
            "2 of 2 runs of none and 2 of 2 runs of dropout ended at the accuracy of guessing and are counted as "
            "they are."
        )

    def test_the_levels_are_those_of_the_pairs(self):
        """A run without a partner moves neither, so the change is their difference."""
        assert "from 50.00 % to 60.00 %" in answer(*pairs((0.5, 0.6), (0.5, 0.6)), record("none", 9, 0.1))


class TestArms:
    """What can be compared."""

    def test_no_dropout_at_all_is_no_question(self):
        """All rates 0 is an error that says what to give."""
        with pytest.raises(ConfigurationError, match=r"rate above 0.*got 0.0, 0.0"):
            arms(Configuration(rates=(0, 0)), Scope("full"))
