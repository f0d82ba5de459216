"""How to repeat a study."""

from dataclasses import replace

import pytest

from tests.lab.recorded import design, pairs, record
from thinned.lab.scope import Scope
from thinned.report.command import command_of

RUNS = pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))


def asked(**settings):
    """The dropout study's design, with settings that a user gave."""
    return replace(design(), scope=Scope("quick", settings))


class TestCommand:
    """From the records alone."""

    def test_it_has_what_was_asked(self):
        """And leaves to the plan what was not."""
        expected = "thinned study dropout --quick --data toy.npz --seeds 3 --epochs 2 --width 32,16"

        assert expected == command_of(asked(epochs=2, hidden=(32, 16)), RUNS)

    def test_more_seeds(self):
        """As many as are wanted."""
        assert "--seeds 12" in command_of(asked(), RUNS, 12)

    def test_a_path_is_quoted(self):
        """A shell reads it as one word."""
        runs = pairs((0.5, 0.6), data=RUNS[0].data | {"asked": "my data; rm -rf.npz"})

        assert "--data 'my data; rm -rf.npz' " in command_of(asked(), runs)

    @pytest.mark.parametrize(
        ("settings", "runs", "part"),
        [
            ({}, [record("none", 3), record("dropout", 3)], "seeds=[3]"),
            ({"weight_decay": 0.1}, RUNS, "settings={'weight_decay': 0.1}"),
        ],
        ids=["seeds", "settings"],
    )
    def test_what_no_option_says_becomes_a_call(self, settings, runs, part):
        """From Python anything can be asked."""
        found = command_of(asked(**settings), runs)

        assert found.startswith("thinned.lab.Study('dropout', data='toy.npz', ")
        assert part in found
        assert found.endswith("scope='quick').run()")
