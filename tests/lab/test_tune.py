"""The search and its judgement: nothing that chooses also judges, and what was luck is said."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from thinned.errors import ConfigurationError
from thinned.lab.confirm import Tuning
from thinned.lab.own import TorchTask
from thinned.lab.tune import JOURNAL, Search, objectives_of, validating

pytestmark = pytest.mark.long

pytest.importorskip("optuna")

X = torch.randn(90, 4, generator=torch.Generator().manual_seed(1))
Y = (X.prod(1) > 0).long()


def make(rate, method="Dropout"):
    """A network whose method is only a name."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(rate), nn.Linear(8, 2))


def task(**changes):
    """A task of a moment."""
    given = {"make": make, "train": (X[:60], Y[:60]), "test": (X[60:], Y[60:]), "epochs": 3}
    return TorchTask(**(given | changes))


def search(folder, trials=6, **changes):
    """A search of a moment."""
    given = {"task": validating(task()), "objectives": ("accuracy",), "methods": ("Dropout", "BatchDropout")}
    given |= changes
    objectives = objectives_of(given["task"], given.pop("objectives"))
    return Search(**given, objectives=objectives, trials=trials, seeds=(0,), folder=folder)


class Killed(BaseException):
    """What no handler of errors catches."""


class TestSearch:
    """On the validation part."""

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    def test_interrupted_it_ends_where_it_would_have_ended(self, tmp_path):
        """Its process is killed within a trial, after three."""
        whole = search(tmp_path / "whole").run()

        def until(line):
            if line.startswith("3 "):
                raise Killed

        with pytest.raises(Killed):
            search(tmp_path / "parts").run(until)
        lines = []
        parts = search(tmp_path / "parts").run(lines.append)

        assert whole == parts
        assert 3 == len(lines)

    def test_a_killed_trial_is_asked_again(self, tmp_path):
        """It was running when its process ended."""
        calls = []

        def dying(outputs, targets):
            calls.append(1)
            if len(calls) == 20:
                raise Killed
            return nn.functional.cross_entropy(outputs, targets)

        changes = {"task": validating(task(loss=dying)), "methods": ("Dropout",)}
        with pytest.raises(Killed):
            search(tmp_path, 3, **changes).run()
        found = search(tmp_path, 3, **changes).run()

        assert (3, 0) == (found.finished + found.pruned, found.failed)

    def test_it_never_sees_the_test_set(self, tmp_path):
        """Another test set, the same winners and scores."""
        found = [
            search(tmp_path / name, 3, task=validating(task(test=(X[60:] * scale, Y[60:])))).run()
            for name, scale in (("a", 1), ("b", -100))
        ]

        assert found[0] == found[1]

    def test_several_objectives_have_a_front(self, tmp_path):
        """None of it is beaten by another in both."""
        found = search(tmp_path, 5, objectives=("accuracy", "loss")).run()
        scores = [(each.scores["accuracy"], -each.scores["loss"]) for each in found.winners]

        assert not [1 for a in scores for b in scores if a != b and a[0] >= b[0] and a[1] >= b[1]]
        assert scores == sorted(scores, reverse=True)
        assert {"accuracy", "loss"} == set(found.none)

    def test_a_model_that_never_trains_is_said(self, tmp_path):
        """With the last reason; the journal keeps them all."""

        def picky(rate, method):
            if rate:
                raise KeyError("no dropout here")
            return make(rate)

        with pytest.raises(ConfigurationError, match=r"none of 2 did.*KeyError: 'no dropout here'"):
            search(tmp_path, 2, task=validating(task(make=picky))).run()
        assert (tmp_path / JOURNAL).exists()

    def test_a_model_that_does_not_train_without_dropout_either_is_said(self, tmp_path):
        """There is nothing to compare with."""
        broken = validating(task(optimiser=lambda parameters: torch.optim.SGD(parameters, lr=1e30)))

        with pytest.raises(ConfigurationError, match=r"the loss was not finite\. Lower the learning rate"):
            search(tmp_path, 2, task=broken).run()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"methods": ("Magic",)}, "methods from Dropout, .*; got Magic"),
            ({"methods": ()}, "got none"),
            ({"trials": 0}, "at least 1 trial"),
            ({"objectives": ("beauty",)}, "objectives from loss, accuracy"),
            ({"objectives": ("loss:up",)}, "with :min or :max"),
            ({"objectives": ("loss", "loss")}, "each objective once"),
        ],
    )
    def test_what_cannot_be_searched_is_refused(self, tmp_path, changes, message):
        """At once."""
        with pytest.raises(ConfigurationError, match=message):
            search(tmp_path, **changes)

    def test_only_its_author_knows_which_way_a_second_metric_is_better(self):
        """The first is the task's own to say."""
        both = task(metrics={"f1": lambda outputs, targets: 0.0, "size": lambda outputs, targets: 1.0})

        assert ["maximize", "minimize"] == [
            each.direction for each in objectives_of(both, ("f1", "size:min"))
        ]
        with pytest.raises(ConfigurationError, match="size:max or size:min"):
            objectives_of(both, ("size",))


class TestValidating:
    """A part of the training examples."""

    def test_the_parts_are_disjoint_and_all_of_it(self):
        """No training example is scored on."""
        held = validating(task())
        rows = [tuple(row) for part in (held.train, held.test) for row in part[0].tolist()]

        assert (48, 12) == (len(held.train[1]), len(held.test[1]))
        assert {tuple(row) for row in X[:60].tolist()} == set(rows)

    def test_a_data_set_is_split_and_a_loader_is_not(self):
        """A loader may do anything with its examples."""
        assert 48 == len(validating(task(train=TensorDataset(X[:60], Y[:60]))).train)
        with pytest.raises(ConfigurationError, match="got a DataLoader"):
            validating(task(train=DataLoader(TensorDataset(X, Y))))


class TestTuning:
    """Search and judgement."""

    def test_winners_are_judged_on_fresh_seeds_and_luck_is_told(self, tmp_path):
        """Every figure follows from the records of the two studies."""
        tuning = Tuning(task(), methods=("Dropout",), trials=3, tuning_seeds=1, seeds=2, out=tmp_path, jobs=1)
        found = tuning.run()
        winner = found.found.winners[0]
        judged = found.judged[winner.arm]["accuracy"]
        runs = {(run.arm, run.seed): run.final["test_accuracy"] * 100 for run in found.validation.records}
        fresh = [runs[winner.arm, seed] for seed in (1, 2)]
        test = {(run.arm, run.seed): run.final["test_accuracy"] * 100 for run in found.test.records}
        gains = [test[winner.arm, seed] - test["none", seed] for seed in (1, 2)]

        assert (1, 2) == tuning.fresh() == tuple(sorted({run.seed for run in found.test.records}))
        assert judged.tuned - sum(fresh) / 2 == pytest.approx(judged.optimism.estimate)
        assert sum(gains) / 2 == pytest.approx(judged.test_gain.estimate)
        assert judged.tuned - found.found.none["accuracy"] == pytest.approx(judged.tuned_gain)
        assert "was the luck of its seeds" in found.sentence
        assert found.as_json()["winners"][0]["objectives"]["accuracy"]["tuned"] == judged.tuned

    def test_one_fresh_seed_is_too_few(self):
        """An interval needs two."""
        with pytest.raises(ConfigurationError, match="at least 2 fresh seeds"):
            Tuning(task(), seeds=1)
