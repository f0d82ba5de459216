"""Questions of the user's own: their modules, tensors, loaders and metrics, or their arms on our networks."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from thinned.errors import ConfigurationError, DataError
from thinned.lab import Study
from thinned.lab.own import TorchTask
from thinned.lab.records import Store
from thinned.lab.task import opened

pytestmark = pytest.mark.long

DRAWS = torch.Generator().manual_seed(1)
X = torch.randn(96, 4, generator=DRAWS)
Y = (X.sum(1) > 0).long()
RATES = {"without": {"rate": 0.0}, "with": {"rate": 0.5}}


def make(rate, width=8):
    """A network that no one here wrote for the laboratory."""
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Dropout(rate), nn.Linear(width, 2))


def task(**changes):
    """A task of a moment."""
    return TorchTask(**({"make": make, "train": (X, Y), "test": (X[:32], Y[:32]), "epochs": 2} | changes))


class TestTorchTask:
    """One trial."""

    def test_equal_seeds_give_equal_outcomes(self):
        """To the last bit; and the caller's generator has not moved."""
        before = torch.random.get_rng_state()
        one, other, third = (task().run({"settings": {"rate": 0.5}}, seed) for seed in (0, 0, 1))

        assert one == other != third
        assert torch.equal(before, torch.random.get_rng_state())

    def test_the_arms_of_a_seed_are_a_pair(self):
        """They begin with the same weights, whatever their rate."""
        still = {"optimiser": lambda parameters: torch.optim.SGD(parameters, lr=1e-30), "epochs": 1}
        ends = [task(**still).run({"settings": {"rate": rate}}, 3).final for rate in (0.0, 0.5)]

        assert ends[0] == ends[1]

    def test_another_process_gets_the_same_task(self):
        """Pickled by value: a lambda of a notebook arrives too."""
        one = task(make=lambda rate: make(rate, width=3))

        assert opened(one.where()).run({"settings": {"rate": 0.1}}, 0) == one.run(
            {"settings": {"rate": 0.1}}, 0
        )

    @pytest.mark.parametrize(
        "wrapped",
        [TensorDataset(X, Y), DataLoader(TensorDataset(X, Y), batch_size=96)],
        ids=["set", "loader"],
    )
    def test_a_data_set_or_a_loader_will_do(self, wrapped):
        """With one batch an epoch in the same order there is nothing to tell them from tensors."""
        settings, changes = {"settings": {"rate": 0.0}}, {"batch": 96, "epochs": 1}
        found, expected = task(train=wrapped, **changes).run(settings, 0), task(**changes).run(settings, 0)

        assert found.final["test_loss"] == pytest.approx(expected.final["test_loss"], rel=1e-5)

    def test_any_metric_is_measured(self):
        """Of all outputs and targets at once; the first decides."""
        one = task(metrics={"spread": lambda outputs, targets: outputs.std()})
        final = one.run({"settings": {"rate": 0.0}}, 0).final

        assert {"train_loss", "train_spread", "test_loss", "test_spread"} == set(final)
        assert "test_spread" == one.decides()

    def test_numbers_as_targets_are_a_regression(self):
        """The mean squared error, and no accuracy."""
        one = task(
            make=lambda rate: nn.Linear(4, 1),
            train=(X, X[:, :1]),
            test=(X, X[:, :1]),
            optimiser=torch.optim.Adam,
        )

        assert {"train_loss", "test_loss"} == set(one.run({"settings": {"rate": 0.0}}, 0).final)

    def test_a_loss_that_is_not_finite_is_a_divergence(self):
        """Not an error."""
        one = task(
            make=lambda rate: nn.Linear(4, 1),
            train=(X, X[:, :1]),
            test=(X, X[:, :1]),
            optimiser=lambda parameters: torch.optim.SGD(parameters, lr=1e30),
        )

        assert ("diverged", {}) == ((found := one.run({"settings": {"rate": 0.0}}, 0)).status, found.final)

    def test_other_code_or_data_is_another_task(self):
        """What a record's key is made of."""
        keys = {
            (each.code(), each.about()["digest"])
            for each in (
                task(),
                task(version="2"),
                task(make=lambda rate: make(rate, 9)),
                task(train=(X + 1, Y)),
            )
        }

        assert 4 == len(keys)

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"epochs": 0}, ConfigurationError, "epochs, an integer of at least 1; got 0"),
            ({"metrics": {"loss": len}}, ConfigurationError, "names of their own; got loss"),
            ({"train": (X, Y[:5])}, DataError, "as many targets as training examples; got 5 and 96"),
            ({"test": X}, DataError, "two tensors, a Dataset or a DataLoader; got Tensor"),
            ({"test": (X.numpy(), Y)}, DataError, "two tensors, x and y; got tuple of ndarray, Tensor"),
            ({"train": (X[:0], Y[:0])}, DataError, "expected training examples; got none"),
        ],
    )
    def test_what_cannot_be_trained_is_refused(self, changes, error, message):
        """At once, with what was expected."""
        with pytest.raises(error, match=message):
            task(**changes)


class TestStudy:
    """From a question in words to an answer."""

    def test_modules_of_ones_own(self, tmp_path):
        """Trained in worker processes, recorded, answered, continued, and the same again from the records."""
        first = Study("Does dropout help mine?", task(), RATES, seeds=2, out=tmp_path, jobs=2)
        result = first.run()
        again = Study("Does dropout help mine?", task(), RATES, seeds=3, out=tmp_path, jobs=2).run()

        assert (4, 0, ()) == (result.new, result.reused, result.failures)
        assert (2, 4) == (again.new, again.reused)
        assert (
            "on own data, over 3 paired seeds, test accuracy differs from that of without by"
            in again.sentence
        )
        records = Store(tmp_path / "records.jsonl").read()
        assert ((), 6) == (records.damaged, len(records.records))
        assert {"does-dropout-help-mine"} == {record.study for record in records.records}

    def test_arms_of_ones_own_on_our_networks(self, tmp_path):
        """Each is a change to the configuration."""
        arms = {"narrow": {"hidden": (4,)}, "wide": {"hidden": (8, 8)}}
        study = Study(
            "Is wider better?", "digits", arms, seeds=2, settings={"epochs": 1}, out=tmp_path, jobs=2
        )
        result = study.run()

        assert ["narrow", "wide"] == list(result.design.arms())
        assert {(4, 4), (8, 8)} == {tuple(record.configuration["hidden"]) for record in result.records}
        assert 4 == len(result.design.select(Store(tmp_path / "records.jsonl").read().records))

    def test_a_factory_that_raises_costs_its_arm_alone(self, tmp_path):
        """It is said what it raised; the rest goes on."""
        arms = {"good": {"rate": 0.0}, "bad": {"rate": 0.0, "width": -1}}
        result = Study("Which one?", task(), arms, seeds=2, out=tmp_path, jobs=2).run()

        assert (2, 2) == (result.new, len(result.failures))
        assert "negative dimension" in result.failures[0].reason

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"task": task()}, "expected arms beside a task of your own"),
            ({"task": task(), "arms": {"one": {}}}, "at least two arms, to compare; got 1"),
            (
                {"task": task(), "arms": RATES, "settings": {"epochs": 3}},
                "no settings beside a task of your own",
            ),
            ({"arms": {"a": {}, "b": {"wings": 2}}, "data": "digits"}, "expected settings from hidden"),
            ({"task": task(), "arms": {"a": {}, "b": {"f": print}}}, "settings of plain values"),
        ],
    )
    def test_what_is_no_question_is_refused(self, arguments, message):
        """Before anything is trained."""
        with pytest.raises(ConfigurationError, match=message):
            Study("Why?", **arguments).design()
