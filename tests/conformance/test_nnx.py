"""Modules of Flax NNX that find their mode in train() and eval(), as their users write them."""

import pytest
from flax import nnx

import thinned


class Follows(nnx.Module):
    """Holds a dropout, whose mode train() and eval() reach."""

    def __init__(self, rate, *, rngs):
        self.drop = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, x):
        """Drop as the mode has it."""
        return self.drop(x)


class Ignores(Follows):
    """Drops always."""

    def __call__(self, x):
        """Whatever the mode."""
        return self.drop(x, deterministic=False)


class Stays(Follows):
    """Stops for good at its first evaluation."""

    def __call__(self, x):
        """As a flag of its own says, which eval() sets and train() forgets."""
        self.stopped = getattr(self, "stopped", False) or self.drop.deterministic
        return x if self.stopped else self.drop(x)


@pytest.mark.parametrize(
    ("module", "check", "words"),
    [
        (Ignores, "identity_in_evaluation", "it still drops: does it look at the mode?"),
        (Stays, "training_after_evaluation", "it is off for ever after the first evaluation"),
    ],
)
def test_a_mode_that_is_ignored(module, check, words):
    """Is wrong, and said in words."""
    outcome = thinned.verify(module, checks=[check])[check]

    assert "wrong" == outcome.status
    assert words in outcome.likely


def test_a_mode_that_is_followed():
    """Through the module in it: eval() is called for one that takes no mode as an argument."""
    report = thinned.verify(Follows, checks=["identity_in_evaluation", "training_after_evaluation"])

    assert ["passed", "passed"] == [each.status for each in report]
