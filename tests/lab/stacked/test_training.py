"""A stacked trial is the trial alone, up to rounding."""

from dataclasses import replace

import numpy as np
import pytest

from tests.lab.stacked.reference import Reference
from tests.lab.stacked.reference import train as train_exactly
from thinned.errors import ConfigurationError
from thinned.lab import models
from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.stacked import train_stacked
from thinned.lab.training import train

pytestmark = pytest.mark.long

ALL = load("digits")
FEW = replace(ALL, train_x=ALL.train_x[:150], train_y=ALL.train_y[:150])
BASE = Configuration((16, 8), (0.2, 0.5), batch=60, epochs=2, lr=0.1)


def exactly(configuration, seed, data):
    """The trial in float64, with bounds; see `reference`."""
    state = models.mlp(64, 10, configuration, seed).state_dict()
    names = [*(f"fc{k + 1}" for k in range(len(configuration.hidden))), "out"]
    weights = [state[f"{name}.weight"].double().numpy() for name in names]
    biases = [state[f"{name}.bias"].double().numpy() for name in names]
    reference = Reference(weights, biases, configuration.rates, seed)
    return train_exactly(
        reference,
        data,
        seed=seed,
        batch=configuration.batch,
        lr=configuration.lr,
        epochs=configuration.epochs,
    )


def worst(ours, theirs):
    """The largest difference in any loss of any epoch."""
    return max(
        abs(one[name] - other[name])
        for one, other in zip(ours.epochs, theirs.epochs, strict=True)
        for name in other
        if name.endswith("loss")
    )


class TestTolerance:
    """Against the training in float64, within the bound of what float32 may do."""

    @pytest.fixture
    def trials(self, monkeypatch):
        """Rates and two seeds, over three steps from weights so large that every mask shows in the losses."""
        monkeypatch.setattr(models, "INITIAL_STD", 0.1)
        rates = ((0.2, 0.5), (0.0, 0.0), (0.0, 0.3), (0.2, 0.0))
        base = replace(BASE, epochs=1, lr=0.01)
        return [(replace(base, rates=pair), seed) for pair in rates for seed in (7, 2**64 - 1)]

    def test_every_loss_lies_within_the_bound(self, trials):
        """Stacked and alone, each epoch's: both are the same sums in other orders."""
        for outcome, (configuration, seed) in zip(train_stacked(trials, FEW), trials, strict=True):
            ((loss, bound, test_loss, test_bound, accuracy, unsure),) = exactly(configuration, seed, FEW)
            assert max(bound, test_bound) < 1e-3
            for each in (outcome, train(configuration, seed, FEW)):
                assert abs(each.epochs[0]["train_loss"] - loss) <= bound
                assert abs(each.epochs[0]["test_loss"] - test_loss) <= test_bound
                assert abs(each.epochs[0]["test_accuracy"] - accuracy) <= unsure + 1e-12

    def test_the_bound_tells_other_masks_apart(self, trials):
        """A trial with the masks and the order of another seed lies far outside."""
        (outcome,) = train_stacked(trials[:1], FEW)
        ((loss, bound, *_),) = exactly(trials[0][0], 8, FEW)

        assert abs(outcome.epochs[0]["train_loss"] - loss) > 20 * bound


SETTINGS = [
    {"method": "Dropout1d"},
    {"method": "AlphaDropout"},
    {"method": "FeatureAlphaDropout"},
    {"method": "GaussianDropout"},
    {"method": "UniformDropout"},
    {"method": "GaussianNoise"},
    {"method": "BatchDropout"},
    {"method": "StochasticReLU"},
    {"method": "r_drop", "method_args": {"alpha": 2.0}},
    {"method": "max_norm", "rates": (0.4, 0.5)},
    {"method": "DropConnectLinear", "method_args": {"per": "batch"}},
    {"method": "DropConnectLinear", "method_args": {"per": "batch"}, "placement": "before"},
    {"normalisation": "batch-before"},
    {"normalisation": "batch-after"},
    {"normalisation": "layer-before", "activation": "tanh"},
    {"normalisation": "layer-after", "placement": "before"},
    {"input_rate": 0.2, "input_noise": 0.1},
    {"optimiser": "adam", "lr": 0.001, "weight_decay": 0.01},
    {"validation": 0.2, "train_examples": 140, "random_labels": 0.5, "weight_decay": 0.01},
]


class TestSettings:
    """Whatever else a stack knows is what it is alone."""

    @pytest.mark.parametrize("changes", SETTINGS, ids=str)
    def test_a_trial_is_the_same_as_alone(self, changes, monkeypatch):
        """With a rate of 0 beside it; its losses move by rounding, while another seed's are far off.

        The tolerance is that of `TestTolerance`, whose networks are as small and whose steps are as few: its bounds
        are below 5e-5 on either side. Other draws change the losses by more than ten times that.
        """
        monkeypatch.setattr(models, "INITIAL_STD", 0.2)
        base = replace(BASE, epochs=1).changed(changes)
        trials = [(base, 7), (replace(base, rates=(0.0, base.rates[1])), 7), (base, 8)]
        outcomes = train_stacked(trials, FEW)

        for outcome, (configuration, seed) in zip(outcomes, trials, strict=True):
            alone = train(configuration, seed, FEW)
            assert alone.final.keys() == outcome.final.keys()
            assert worst(outcome, alone) < 1e-4
        assert worst(outcomes[0], outcomes[2]) > 1e-3


class TestCohorts:
    """Networks beside each other."""

    def test_one_is_a_cohort(self):
        """And its outcome has the form of one alone."""
        (outcome,) = train_stacked([(BASE, 3)], FEW)
        alone = train(BASE, 3, FEW)

        assert alone.status == outcome.status
        assert [set(epoch) for epoch in alone.epochs] == [set(epoch) for epoch in outcome.epochs]

    def test_what_diverges_harms_no_neighbour(self):
        """A NaN stays in its network; its epochs end where they end alone."""
        wild = replace(BASE, lr=1e30)
        outcomes = train_stacked([(BASE, 3), (wild, 3)], FEW)

        assert ["finished", "diverged"] == [outcome.status for outcome in outcomes]
        assert worst(outcomes[0], train(BASE, 3, FEW)) < 1e-4
        assert train(wild, 3, FEW) == outcomes[1]

    def test_every_finished_epoch_is_told_for_each(self):
        """A diverged trial tells no more."""
        told = []
        train_stacked(
            [(BASE, 3), (replace(BASE, lr=1e30), 3)], FEW, epoch_done=lambda n, epoch: told.append((n, epoch))
        )

        assert [(0, 1), (0, 2)] == [each for each in told if each[0] == 0]
        assert (1, 2) not in told

    def test_different_shapes_are_refused(self):
        """With both in the message."""
        with pytest.raises(ConfigurationError, match="one shape"):
            train_stacked([(BASE, 3), (replace(BASE, epochs=3), 3)], FEW)

    def test_what_cannot_be_stacked_is_refused_by_name(self):
        """It says which setting is not known."""
        with pytest.raises(ConfigurationError, match=r"tikhonov=0\.1"):
            train_stacked([(replace(BASE, tikhonov=0.1), 3)], FEW)

    def test_losses_are_finite_numbers_of_python(self):
        """As JSON takes them."""
        (outcome,) = train_stacked([(BASE, 3)], FEW)

        assert all(type(value) in {int, float} for value in outcome.epochs[0].values())
        assert np.isfinite(list(outcome.final.values())).all()
