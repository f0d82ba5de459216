"""What each setting beyond the chapter's does to a trial."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.bounds import stray_of_share
from thinned.errors import ConfigurationError, RateError
from thinned.lab import measures
from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.methods import METHODS
from thinned.lab.models import mlp, network
from thinned.lab.training import prepare, train

TINY = Configuration(hidden=(8, 8), rates=(0.25, 0.5), epochs=1, train_examples=64, batch=32)
DIGITS = load("digits")
STRENGTHS = {"max_norm": (0.05, 0.05), "GaussianNoise": (0.1, 0.1)}


def prepared(seed=0, **settings):
    """The examples of a trial."""
    return prepare(replace(TINY, **settings), seed, DIGITS)


class TestPrepare:
    """Which examples, and with which labels."""

    def test_a_smaller_subset_lies_in_a_larger_one(self):
        """Its examples come first there; another seed has others."""
        small, large, other = (prepared(seed, train_examples=n) for seed, n in ((0, 50), (0, 200), (1, 50)))

        assert torch.equal(small.train_x, large.train_x[:50])
        assert not torch.equal(small.train_x, other.train_x)

    def test_a_validation_part_is_split_off_and_the_test_is_not_seen(self):
        """Together they are the training examples; none is in both."""
        whole = {row.tobytes() for row in prepared().train_x.numpy()}
        found = prepared(validation=0.25)
        parts = [{row.tobytes() for row in part.numpy()} for part in (found.train_x, found.test_x)]

        assert [48, 16] == [len(found.train_y), len(found.test_y)]
        assert (whole, set()) == (parts[0] | parts[1], parts[0] & parts[1])

    def test_its_metrics_are_called_validation(self):
        """So that nobody takes them for the test's."""
        final = train(replace(TINY, validation=0.25), 0, DIGITS).final

        assert {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "gap"} == set(final)

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_so_many_labels_are_drawn_anew(self, share):
        """A tenth of these are the true ones again; the test's are left alone."""
        found = prepared(train_examples=None, random_labels=share)
        altered = np.mean(found.train_y.numpy() != DIGITS.train_y)

        assert abs(altered - 0.9 * share) <= stray_of_share(1442, 0.9 * share) + 1e-12
        assert torch.equal(found.test_y, torch.from_numpy(DIGITS.test_y))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"train_examples": 2000}, "at most the 1442 that there are; got 2000"),
            ({"validation": 0.001}, "leaves examples in both parts; got 0.001 of 64"),
        ],
    )
    def test_what_cannot_be_split_is_refused(self, settings, message):
        """With what there is."""
        with pytest.raises(ConfigurationError, match=message):
            prepared(**settings)


class TestMethods:
    """The catalogue's layers in a perceptron."""

    @pytest.mark.parametrize("name", METHODS)
    def test_each_trains_from_the_same_weights(self, name):
        """It draws something, ends, and begins where the network without anything begins."""
        asked = replace(TINY, method=name, rates=STRENGTHS.get(name, TINY.rates))
        plain = mlp(64, 10, TINY.without_dropout(), seed=3)
        with_it = network((64,), 10, asked, seed=3).module
        weights = [each for each in with_it.parameters() if each.dim() == 2]

        assert all(map(torch.equal, [each for each in plain.parameters() if each.dim() == 2], weights))
        assert "finished" == (one := train(asked, 0, DIGITS)).status
        assert one.epochs[0]["train_loss"] != train(TINY.without_dropout(), 0, DIGITS).epochs[0]["train_loss"]

    @pytest.mark.parametrize(("method", "rates"), [("Dropout", (1.5, 0)), ("GaussianNoise", (-1, 0))])
    def test_a_strength_that_is_none_is_refused(self, method, rates):
        """A probability by the law, a size by its sign."""
        with pytest.raises((RateError, ConfigurationError)):
            replace(TINY, method=method, rates=rates)

    @pytest.mark.parametrize(
        ("placement", "names"),
        [("after", ["fc1", "fc2", "out"]), ("before", ["fc1", "fc2", "out"])],
    )
    def test_weights_are_dropped_where_the_hidden_layer_is_read_or_made(self, placement, names):
        """After: those that read it; before: those that make it."""
        model = mlp(64, 10, replace(TINY, method="DropConnectLinear", placement=placement), seed=0)
        rates = [getattr(model.get_submodule(name), "p", 0) for name in names]

        assert {"after": [0, 0.25, 0.5], "before": [0.25, 0.5, 0]}[placement] == rates

    @pytest.mark.parametrize(
        ("settings", "layers"),
        [
            ({"placement": "before"}, ["fc1", "drop1", "relu1", "fc2", "drop2", "relu2", "out"]),
            (
                {"normalisation": "batch-before", "rates": (0.5, 0)},
                ["fc1", "norm1", "relu1", "drop1", "fc2", "norm2", "relu2", "out"],
            ),
            (
                {"normalisation": "layer-after", "rates": (0.5, 0)},
                ["fc1", "relu1", "drop1", "norm1", "fc2", "relu2", "norm2", "out"],
            ),
            ({"input_rate": 0.2, "rates": (0, 0)}, ["drop0", "fc1", "relu1", "fc2", "relu2", "out"]),
            ({"input_noise": 0.1, "rates": (0, 0)}, ["noise0", "fc1", "relu1", "fc2", "relu2", "out"]),
        ],
        ids=str,
    )  # fmt: skip
    def test_layers_stand_where_they_are_asked_for(self, settings, layers):
        """In this order."""
        assert layers == [name for name, _ in mlp(64, 10, replace(TINY, **settings), 0).named_children()]

    def test_the_norm_is_bounded_after_each_step(self):
        """Of each unit of the layer that it is asked for."""
        built = network((64,), 10, replace(TINY, method="max_norm", rates=(0.5, 0)), 0)
        with torch.no_grad():
            built.module.get_parameter("fc1.weight").fill_(1.0)
        built.after_step()

        norms = built.module.get_parameter("fc1.weight").detach().norm(dim=1)
        assert norms.numpy() == pytest.approx(np.full(8, 0.5), rel=1e-6)


class TestDecay:
    """Of weights."""

    def test_matrices_shrink_and_biases_do_not(self, monkeypatch):
        """One step with no gradient: w (1 - lr decay), by the optimiser that the trial makes."""
        from thinned.lab import training

        model = nn.Linear(2, 2)
        before = [each.detach().clone() for each in model.parameters()]
        optimiser = training._optimiser(model, replace(TINY, weight_decay=0.5, lr=0.1))
        for each in model.parameters():
            each.grad = torch.zeros_like(each)
        optimiser.step()

        assert torch.allclose(before[0] * 0.95, model.weight)
        assert torch.equal(before[1], model.bias)


class TestMeasures:
    """What is measured beside."""

    def measured(self, monkeypatch, function, when="both"):
        """A trial with this measure."""
        monkeypatch.setitem(measures.MEASURES, "toy", measures.Measure("toy", when, "toys"))
        monkeypatch.setattr("thinned.lab.training.measuring", lambda name: function)
        return train(replace(TINY, measures=("toy",)), 0, DIGITS)

    def test_what_it_does_to_the_network_changes_nothing(self, monkeypatch):
        """It has a copy: the trial is the one without it, with the measure's numbers added."""

        def wreck(model, examples, context):
            model.train()(examples.train_x)
            for each in model.parameters():
                each.data.zero_()
            return {"toy": context.epoch + 0.5 * context.last}

        found, plain = self.measured(monkeypatch, wreck), train(TINY, 0, DIGITS)

        assert (1.0, 1.5) == (found.epochs[0].pop("toy"), found.final.pop("toy"))
        assert (plain.epochs, plain.final) == (found.epochs, found.final)

    @pytest.mark.parametrize("results", [{"toy": float("nan")}, {"toy": float("inf")}])
    def test_a_number_that_is_none_is_an_error_that_names_it(self, monkeypatch, results):
        """No record could hold it."""
        with pytest.raises(ValueError, match=r"measure 'toy'; got toy = (nan|inf) after epoch 1"):
            self.measured(monkeypatch, lambda *_: results)


class TestJson:
    """What a record says of settings."""

    def test_defaults_are_left_out(self):
        """So that a new setting changes the key of no earlier record; what is set comes back."""
        asked = Configuration(method="BatchDropout", method_args={"groups": 2}, validation=0.2, measures=())

        assert ["hidden", "rates", "lr", "batch", "epochs"] == list(Configuration().as_json())
        assert {
            "method": "BatchDropout",
            "method_args": {"groups": 2},
            "validation": 0.2,
        }.items() <= asked.as_json().items()
        assert asked == Configuration.from_json(asked.as_json())
        assert hash(asked) == hash(Configuration.from_json(asked.as_json()))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"method": "Dropuot"}, "for method a name from Dropout, .*; got 'Dropuot'"),
            ({"method": ["Dropout"]}, "for method a name from"),
            ({"placement": "behind"}, "for placement a name from after, before; got 'behind'"),
            ({"measures": ("nothing",)}, "for measures a name from"),
            ({"weight_decay": -1}, "weight_decay of 0 or more, and finite; got -1"),
            ({"random_labels": 1.5}, r"random_labels in \[0, 1\]; got 1.5"),
            ({"validation": 1}, r"a share, in \[0, 1\); got 1"),
            ({"method_args": {"groups": [1]}}, "plain values for method_args; got 'groups'"),
            ({"method_args": 7}, "a mapping of names to values for method_args; got 7"),
            ({"train_examples": 0}, "train_examples of at least 1; got 0"),
        ],
    )  # fmt: skip
    def test_what_is_no_setting_is_refused(self, settings, message):
        """With what was expected and what came."""
        with pytest.raises(ConfigurationError, match=message):
            Configuration().changed(settings)
