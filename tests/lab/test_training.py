"""A trial is a pure function."""

from dataclasses import replace

import pytest
import torch

from thinned import mask
from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.models import mlp
from thinned.lab.training import shuffled, train

QUICK = Configuration(hidden=(32, 16), rates=(0.2, 0.5), batch=64, epochs=3)
DIGITS = load("digits")


class TestTrain:
    """Same arguments, same outcome."""

    def test_it_repeats_itself_bit_for_bit(self):
        """Every metric of every epoch, whatever the global generator holds, on however many threads."""
        first = train(QUICK, 5, DIGITS)
        torch.manual_seed(99)
        torch.set_num_threads(2)

        assert first == train(QUICK, 5, DIGITS)

    def test_it_leaves_the_global_generator_and_the_threads_alone(self):
        """Nothing outside the trial can tell that it ran."""
        torch.manual_seed(3)
        before, threads = torch.random.get_rng_state(), torch.get_num_threads()
        train(QUICK, 5, DIGITS)

        assert torch.equal(before, torch.random.get_rng_state())
        assert threads == torch.get_num_threads()

    def test_seeds_differ(self):
        """In the first epoch already."""
        assert train(QUICK, 0, DIGITS).epochs[0] != train(QUICK, 1, DIGITS).epochs[0]

    def test_it_learns(self):
        """After 20 epochs without dropout more than half is right; a tenth would be chance."""
        outcome = train(replace(QUICK, rates=(0, 0), batch=16, epochs=20), 0, DIGITS)

        assert outcome.final["test_accuracy"] > 0.5
        assert outcome.epochs[-1]["train_loss"] < outcome.epochs[0]["train_loss"]

    def test_the_final_metrics_are_those_of_the_trained_network(self):
        """The test metrics of the last epoch; the gap is train minus test, dropout off."""
        outcome = train(QUICK, 0, DIGITS)
        final = outcome.final

        assert outcome.epochs[-1]["test_loss"] == final["test_loss"]
        assert final["train_accuracy"] - final["test_accuracy"] == final["gap"]
        assert ["epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"] == list(
            outcome.epochs[0]
        )

    def test_dropout_is_off_where_networks_are_tested(self):
        """Two networks that never moved differ in nothing but their masks, so they test the same, bit for bit."""
        still = replace(QUICK, lr=1e-30, epochs=1)
        outcomes = [train(each, 0, DIGITS) for each in (still, still.without_dropout())]

        assert outcomes[0].final == outcomes[1].final
        assert outcomes[0].epochs[0]["train_loss"] != outcomes[1].epochs[0]["train_loss"]

    def test_every_epoch_is_told(self):
        """As it is done."""
        told = []
        train(QUICK, 0, DIGITS, told.append)

        assert [1, 2, 3] == told

    def test_a_loss_that_is_not_finite_ends_it_as_diverged(self):
        """The finished epochs stay, no final metrics are made up."""
        outcome = train(replace(QUICK, lr=1e30), 0, DIGITS)

        assert ("diverged", {}) == (outcome.status, outcome.final)
        assert len(outcome.epochs) < 3

    def test_rate_one_trains(self):
        """A layer that keeps nothing gives zeros and finite gradients; only biases learn."""
        assert "finished" == train(replace(QUICK, rates=(0.2, 1.0)), 0, DIGITS).status


class TestPair:
    """What two arms of a seed share."""

    def test_the_initial_weights(self):
        """Every parameter, bit for bit."""
        arms = [mlp(64, 10, each, seed=4).state_dict() for each in (QUICK, QUICK.without_dropout())]
        names = [name for name in arms[1] if name.startswith(("fc", "out"))]

        assert 6 == len(names)
        assert all(torch.equal(arms[0][name], arms[1][name]) for name in names)

    def test_weights_are_draws_of_the_law(self):
        """From the site that is the parameter's name, times 0.01."""
        weight = mlp(64, 10, QUICK, seed=4).get_parameter("fc2.weight")
        expected = 0.01 * mask.normal((16, 32), seed=4, site="fc2.weight")

        assert torch.equal(torch.from_numpy(expected).float(), weight.detach())

    def test_the_masks_are_those_of_the_law(self):
        """The first training step's, at the layer's own name."""
        model = mlp(64, 10, QUICK, seed=4).train()
        seen = []
        model.get_submodule("drop1").register_forward_hook(
            lambda _, given, kept: seen.append((given[0], kept))
        )
        model(torch.rand(8, 64))
        (given, kept), keep = seen[0], torch.from_numpy(mask.keep((8, 32), 0.2, seed=4, site="drop1"))

        assert torch.equal(kept != 0, keep & (given != 0))

    def test_the_order_of_examples(self):
        """A permutation that seed and epoch fix, and nothing else."""
        assert torch.equal(shuffled(100, 4, 1), shuffled(100, 4, 1))
        assert not torch.equal(shuffled(100, 4, 1), shuffled(100, 4, 2))
        assert list(range(100)) == sorted(shuffled(100, 4, 1).tolist())

    @pytest.mark.parametrize("position", [0, 50, 99])
    def test_every_example_may_come_anywhere(self, position):
        """Over 2,000 epochs an example's mean place is the middle, within a bound that fails once in 10^6."""
        from tests.bounds import stray

        places = [(shuffled(100, 1, epoch) == position).nonzero().item() for epoch in range(2000)]

        assert abs(sum(places) / 2000 - 49.5) < stray(2000, (100**2 - 1) / 12, 49.5)
