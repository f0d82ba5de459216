"""Weights instead of activations."""

from dataclasses import replace

import pytest

from tests.lab.studies import made
from thinned.lab.configuration import Configuration
from thinned.lab.models import mlp
from thinned.lab.scope import Scope
from thinned.lab.studies.drop_connect import BATCH, EXAMPLE, QUESTION, arm
from thinned.torch import DropConnectLinear


def runs(batch, example):
    """What each kind of DropConnect changes against dropout."""

    def effect(name, configuration):
        return (batch if BATCH in name else 0.0) + (example if EXAMPLE in name else 0.0)

    return made.noisy(effect)


class TestAnswer:
    """By the mean over the rates, one number a seed."""

    @pytest.mark.parametrize(
        ("batch", "example", "verdict"),
        [(0, 1, "better"), (1, 0, "better"), (-1, 0, "worse"), (0, -1, "worse"), (-1, 1, "mixed")],
    )
    def test_it_says_what_weights_do(self, batch, example, verdict):
        """Each kind of mask by itself."""
        found = made.answer(QUESTION, runs(batch, example))

        assert verdict == found.verdict
        assert f"a mask for each example is {example:+.2f} points" in found.sentence
        assert f"one for each batch it is {batch:+.2f} points" in found.sentence

    def test_a_kind_without_runs_is_not_answered_and_the_other_is(self):
        """Nor is a rate at which most runs diverged in the mean, which says so."""
        design, reached = made.design_of(QUESTION), runs(-1, 0)
        found = QUESTION.answer(
            design,
            [
                replace(run, final={}, status="diverged", epochs=[]) if run.arm == arm(BATCH, 0.5) else run
                for run in made.records(design, reached)
                if EXAMPLE not in run.arm
            ],
        )

        assert "worse" == found.verdict
        assert "each example is not answered, as too few of its runs" in found.sentence
        assert "at 0.2, too few finished at the others" in found.sentence
        assert "nan" not in str(found.as_json()).lower()

    def test_a_run_that_diverged_is_told(self):
        """With the name of its arm."""
        found = made.answer(QUESTION, made.diverging(runs(0, 1), arm(BATCH, 0.5)))

        assert "1 of 8 runs of DropConnect, a mask a batch at 0.5 diverged" in found.sentence


class TestArms:
    """The weights that read what dropout would drop."""

    @pytest.mark.parametrize("per", ["batch", "example"])
    def test_weights_that_read_hidden_layers_are_dropped(self, per):
        """The second hidden layer's and the output's, at the rate; the first reads the input and keeps all."""
        base = Configuration(hidden=(8, 8), epochs=1)
        name = arm({"batch": BATCH, "example": EXAMPLE}[per], 0.5)
        model = mlp(4, 3, QUESTION.arms(base, Scope("quick"))[name], seed=0)

        assert {"fc2": (0.5, per), "out": (0.5, per)} == {
            name: (layer.p, layer.per)
            for name, layer in model.named_children()
            if isinstance(layer, DropConnectLinear)
        }
