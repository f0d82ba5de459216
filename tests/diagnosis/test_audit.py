"""`thinned.audit`: what it sees, what it leaves as it was, and what it refuses."""

import random

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import nn
from torch.utils.checkpoint import checkpoint

import thinned
import thinned.torch
from tests.diagnosis.handmade import RIGHT, WRONG, Between
from thinned.diagnosis.chance import two_sided
from thinned.diagnosis.documents import as_json
from thinned.errors import AuditError

X = torch.rand(32, 64, generator=torch.Generator().manual_seed(0))


def around(*layers, width=64):
    """Layers between two linear ones."""
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), *layers, nn.Linear(width, 10))


class TestByHand:
    """Dropout that is no layer."""

    @pytest.mark.parametrize("name", RIGHT)
    def test_a_right_one_is_clean(self, name):
        """However it is written."""
        assert thinned.audit(Between(RIGHT[name]), X).rules() == set()

    @pytest.mark.parametrize("name", WRONG)
    def test_a_wrong_one_is_found(self, name):
        """By its rule, and by no other."""
        rule, drop = WRONG[name]

        assert {rule} == thinned.audit(Between(drop), X).rules()

    @pytest.mark.parametrize("name", [name for name in RIGHT if name not in {"sampled", "gaussian"}])
    def test_rate_and_scale_are_measured(self, name):
        """In every form: the values, how many are kept, and by what the others are multiplied."""
        (site,) = thinned.audit(Between(RIGHT[name]), X).facts["measured"]

        assert 2 * X.numel() == site["values"]
        assert abs(site["kept"] / site["values"] - 0.7) < 0.05
        assert "mask" == site["kind"]


class TestOurs:
    """The layers of this library, free and bound."""

    @pytest.mark.parametrize(
        "layer",
        [
            lambda t: t.Dropout(0.5),
            lambda t: t.GaussianDropout(0.3),
            lambda t: t.UniformDropout(0.3),
            lambda t: t.AlphaDropout(0.2),
            lambda t: t.BatchDropout(0.3),
            lambda t: t.DropPath(0.2),
            lambda t: t.GaussianNoise(0.3),
        ],
    )
    def test_they_are_clean(self, layer):
        """Their operators are seen through."""
        assert [] == list(thinned.audit(around(layer(thinned.torch)), X))

    @pytest.mark.parametrize("reentrant", [True, False])
    @pytest.mark.parametrize("bound", [True, False])
    def test_checkpoints_are_clean(self, bound, reentrant):
        """A recomputation that draws the same is no finding."""

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body, self.head = around(thinned.torch.Dropout(0.5)), nn.Linear(10, 3)

            def forward(self, x):
                x = x.requires_grad_()
                return self.head(checkpoint(self.body, x, use_reentrant=reentrant))

        model = thinned.torch.bind(Net(), 0) if bound else Net()

        assert [] == list(thinned.audit(model, X.clone()))

    def test_a_compiled_bound_model_is_clean(self):
        """Its steps go on from call to call; what is compared has one."""
        model = thinned.torch.bind(around(thinned.torch.Dropout(0.5)), 0)

        assert [] == list(thinned.audit(torch.compile(model, backend="aot_eager"), X))

    def test_a_bound_model_keeps_its_step(self):
        """Passes of an audit are none of training."""
        model = thinned.torch.bind(around(thinned.torch.Dropout(0.5)), 0)
        model(X)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        thinned.audit(model, X)

        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


class Counting(nn.Module):
    """Writes to everything that a forward pass can write to."""

    def __init__(self):
        super().__init__()
        self.norm, self.calls, self.seen, self.drop = nn.BatchNorm1d(64), 0, [], nn.Dropout(0.5)
        self.plain = torch.zeros(1)

    def forward(self, x):
        """Count, note, draw."""
        self.calls += 1
        self.seen.append(float(x.detach().mean()))
        self.plain += 1
        self.late = x
        random.random()  # noqa: S311
        np.random.rand()  # noqa: NPY002
        return self.drop(self.norm(x)) @ torch.ones(64, 2)


class TestRestored:
    """A model, and everything else, afterwards."""

    def test_nothing_of_the_model_is_left_changed(self):
        """Weights, statistics, modes, attributes, lists, gradients."""
        model = Counting()
        model.norm.eval()
        model.norm.weight.grad = torch.full((64,), 3.0)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        hooks = model._forward_hooks
        thinned.audit(model, X)

        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
        assert (True, False) == (model.training, model.norm.training)
        assert (0, [], False) == (model.calls, model.seen, hasattr(model, "late"))
        assert torch.equal(torch.full((64,), 3.0), model.norm.weight.grad)
        assert torch.equal(torch.zeros(1), model.plain)
        assert hooks is model._forward_hooks

    def test_generators_go_on_where_they_were(self):
        """PyTorch's, NumPy's and Python's."""
        states = [], []
        for run in states:
            torch.manual_seed(3), np.random.seed(3), random.seed(3)  # noqa: NPY002
            if run is states[1]:
                thinned.audit(Counting(), X)
            run += [torch.rand(1).item(), np.random.rand(), random.random()]  # noqa: NPY002, S311

        assert states[0] == states[1]

    def test_an_error_leaves_it_as_it_was(self):
        """And names the pass and the shapes."""
        model = around(nn.Dropout(0.5)).eval()
        with pytest.raises(AuditError, match=r"in train raised RuntimeError.*\(32, 63\)"):
            thinned.audit(model, X[:, 1:])

        assert not model.training
        assert all(parameter.grad is None for parameter in model.parameters())


class TestAudit:
    """The report."""

    def test_it_says_the_same_each_time(self):
        """Whatever the generators are at."""
        documents = []
        for seed in (1, 2):
            torch.manual_seed(7)
            model = around(nn.Dropout(0.9))
            torch.manual_seed(seed)
            documents.append(as_json(thinned.audit(model, X)))

        assert documents[0] == documents[1]

    def test_twelve_layers_alike_are_one_finding(self):
        """With twelve places."""
        model = nn.Sequential(*(around(nn.Dropout(0.9), width=256)[:4] for _ in range(12)))
        for block in model[:-1]:
            block[-1] = nn.Linear(256, 64)
        (finding,) = thinned.audit(model, X)

        assert 12 == len(finding.places)
        assert "0.2" == finding.place.module

    def test_keyword_and_positional_inputs(self):
        """As a call of the model takes them."""

        class Net(nn.Module):
            def forward(self, x, *, factor):
                return nn.functional.dropout(x * factor, 0.5) @ torch.ones(64, 2)

        assert {"active-in-eval"} == thinned.audit(Net(), {"x": X, "factor": torch.tensor(2.0)}).rules()
        assert set() == thinned.audit(nn.Bilinear(64, 64, 3), (X, X)).rules()

    def test_selected_rules_alone_are_asked(self):
        """And one that does not exist is an error that lists them."""
        model = Between(WRONG["always training"][1])

        assert set() == thinned.audit(model, X, select=["high-rate"]).rules()
        with pytest.raises(AuditError, match="expected ids of rules: active-in-eval"):
            thinned.audit(model, X, select=["nothing"])

    def test_what_cannot_be_audited(self):
        """Is an error that says what to do."""
        with pytest.raises(AuditError, match="expected an example input"):
            thinned.audit(around(nn.Dropout(0.5)))
        with pytest.raises(AuditError, match="Call the model once before"):
            thinned.audit(nn.LazyLinear(3), X)
        with pytest.raises(
            TypeError, match=r"expected a model of PyTorch, Flax or Keras; got .* builtins\.int"
        ):
            thinned.audit(3, X)

    def test_a_silenced_finding_keeps_its_reason(self):
        """And no longer counts."""
        report = thinned.audit(around(nn.Dropout(0.9), width=256), X, ignore={"high-rate": "a stress test"})

        assert (0, "a stress test") == (len(report), report.silenced[0].silenced)
        assert not report.fails()

    def test_the_picture_has_both_modes(self):
        """One line each, drawn on one scale."""
        text = str(thinned.audit(around(nn.Dropout(0.5)), X))

        assert 4 == text.count("eval ")
        assert "2 (Dropout)" in text


class TestChance:
    """The tolerance."""

    @pytest.mark.parametrize(("count", "keep"), [(1, 0.5), (32, 0.9), (1000, 0.3), (20_000, 0.999)])
    def test_a_right_mask_fails_with_its_chance_at_most(self, count, keep):
        """Summed over every outcome: at an alarm of 1e-3 and of 1e-6 the chance to alarm is below it."""
        outcomes = np.arange(count + 1)
        chances = binom.pmf(outcomes, count, keep)
        # Two tails, each of which alarms from some outcome on: a bisection would do; few outcomes are tried.
        tried = list(outcomes[:: max(1, count // 400)])
        for alarm in (1e-3, 1e-6):
            alarming = [kept for kept in tried if two_sided(int(kept), count, keep) <= alarm]
            low = max((kept for kept in alarming if kept < count * keep), default=-1)
            high = min((kept for kept in alarming if kept > count * keep), default=count + 1)

            assert chances[: low + 1].sum() + chances[high:].sum() <= alarm

    def test_it_can_tell_the_notebooks_mask(self):
        """0.309 of 1024 kept where 0.5 was meant."""
        assert two_sided(round(0.309 * 1024), 1024, 0.5) < 1e-6
