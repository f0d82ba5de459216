"""Saving, loading, copying: a bound model goes on, bit for bit."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import thinned.torch as tt
from tests.torch.models import Tower, mlp
from thinned.errors import BindError

KEY = "thinned.address"
X = torch.ones(3, 8)


def train(model, optimiser, steps):
    """The losses of some steps."""
    losses = []
    for step in range(steps):
        optimiser.zero_grad()
        loss = (model(X * (step + 1)) ** 2).sum()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def through_file(state, **options):
    """Written and read by `torch.save` and `torch.load`."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, **options)


def optimiser_of(model):
    """With state of its own."""
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


class TestResume:
    """Training goes on where it was."""

    def test_bit_for_bit(self):
        """From a file read with `weights_only`, into a model bound with another seed."""
        model = tt.bind(Tower(), 7)
        optimiser = optimiser_of(model)
        train(model, optimiser, 3)
        saved = through_file({"m": model.state_dict(), "o": optimiser.state_dict()}, weights_only=True)
        expected = train(model, optimiser, 3)

        other = tt.bind(Tower(), 0)
        other.load_state_dict(saved["m"], strict=True)
        other_optimiser = optimiser_of(other)
        other_optimiser.load_state_dict(saved["o"])

        assert expected == train(other, other_optimiser, 3)

    def test_entry(self):
        """Seed and step, as integers; a snapshot, not a view."""
        model = tt.bind(mlp(), 7)
        state = model.state_dict()
        model(X)

        assert [7, 0] == state[KEY].tolist()
        assert [7, 1] == model.state_dict()[KEY].tolist()
        assert torch.int64 == state[KEY].dtype

    def test_older_checkpoints(self):
        """Those made before binding load with `strict=True`, and leave seed and step."""
        old = mlp().state_dict()
        model = tt.bind(mlp(), 7)
        model(X)
        model.load_state_dict(old, strict=True)

        assert [7, 1] == model.state_dict()[KEY].tolist()
        assert KEY not in old

    def test_the_loaded_state_is_not_changed(self):
        """It can be loaded again."""
        state = tt.bind(mlp(), 7).state_dict()
        for _ in range(2):
            model = tt.bind(mlp(), 0)
            model.load_state_dict(state)
            assert [7, 0] == model.state_dict()[KEY].tolist()

    def test_strictness(self):
        """What is missing or strange is still found; a free model finds the address strange."""
        model, state = tt.bind(mlp(), 7), tt.bind(mlp(), 7).state_dict()
        with pytest.raises(RuntimeError, match=r"Unexpected key.*thinned.address"):
            mlp().load_state_dict(state)
        state["else"] = state.pop("0.weight")
        with pytest.raises(RuntimeError, match=r"(?s)Missing key.*0.weight.*Unexpected key.*else"):
            model.load_state_dict(state)

    def test_distributed_checkpoint(self):
        """`torch.distributed.checkpoint` finds the key as a path of attributes, and sets it."""
        model, other = (tt.bind(mlp(), seed) for seed in (1, 2))
        model(torch.ones(2, 8))
        set_model_state_dict(other, get_model_state_dict(model))

        assert [1, 1] == other.state_dict()["thinned.address"].tolist()

    @pytest.mark.parametrize("address", [[2**63, 0], "abc", torch.zeros(3), [0, -1]], ids=str)
    def test_an_address_that_is_none(self, address):
        """Is refused in our words, whatever it is."""
        model = tt.bind(mlp(), 1)
        with pytest.raises(BindError, match=r"expected thinned\.address in the state dict"):
            model.load_state_dict(model.state_dict() | {KEY: address})

    def test_a_part_of_that_name(self):
        """A model may have a part called `thinned`."""
        model = nn.ModuleDict({"thinned": tt.Dropout(0.5)})
        tt.bind(model, 0)

        assert isinstance(model.thinned, tt.Dropout)

    def test_parts_and_prefixes(self):
        """A bound part of a whole is saved and loaded at its place."""
        whole = nn.ModuleDict({"part": tt.bind(mlp(), 7)})
        whole["part"](X)
        state = whole.state_dict()
        other = nn.ModuleDict({"part": tt.bind(mlp(), 0)})
        other.load_state_dict(state)

        assert [7, 1] == state["part.thinned.address"].tolist()
        assert torch.equal(whole["part"](X), other["part"](X))

    def test_compiled(self):
        """A compiled model saves and loads with its prefix."""
        run = torch.compile(tt.bind(mlp(), 7), backend="aot_eager")
        run(X)
        other = torch.compile(tt.bind(mlp(), 0), backend="aot_eager")
        other.load_state_dict(run.state_dict())

        assert [7, 1] == run.state_dict()["_orig_mod." + KEY].tolist()
        assert torch.equal(run(X), other(X))


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301 - made in this line
    "torch.save": lambda model: through_file(model, weights_only=False),
}


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
class TestCopies:
    """Copies of the module itself."""

    @pytest.mark.parametrize("cls", [mlp, Tower])
    def test_go_on_alone(self, make, cls):
        """From the same step, each by itself, through another copy as well."""
        model = tt.bind(cls(), 7)
        model(X)
        other = make(make(model))
        expected = [model(X), model(X)]

        assert [7, 1] == other.state_dict()[KEY].tolist()
        assert all(torch.equal(y, other(X)) for y in expected)

    def test_are_bound(self, make):
        """They can be unbound and bound anew, and the original does not notice."""
        model = tt.bind(mlp(), 7)
        other = make(model)
        tt.unbind(other)
        assert KEY not in other.state_dict()
        assert [7, 0] == model.state_dict()[KEY].tolist()
        tt.bind(other, 8)

        assert not torch.equal(model(X), other(X))

    def test_checkpointed(self, make):
        """A copy repeats its own draws."""
        model = tt.bind(Tower("frames"), 7)
        other = make(model)
        for each in (model, other):
            each(X).sum().backward()

        assert all(
            torch.equal(a.grad, b.grad) for a, b in zip(model.parameters(), other.parameters(), strict=True)
        )

    def test_after_compilation(self, make):
        """A model that was compiled is copied like another."""
        model = tt.bind(mlp(), 7)
        torch.compile(model, backend="aot_eager")(X)
        other = make(model)

        assert torch.equal(model(X), other(X))


class TestAverages:
    """Averages of weights."""

    @pytest.mark.parametrize("options", [{}, {"multi_avg_fn": get_ema_multi_avg_fn(0.9)}], ids=["swa", "ema"])
    def test_no_step_is_averaged(self, options):
        """Nor is it touched, with `use_buffers=True`, and buffers of other layers are averaged."""
        model = tt.bind(nn.Sequential(mlp(), nn.BatchNorm1d(8)), 7)
        average = AveragedModel(model, use_buffers=True, **options)
        for _ in range(5):
            model(X)
            average.update_parameters(model)

        assert [7, 0] == average.module.state_dict()[KEY].tolist()
        assert [7, 5] == model.state_dict()[KEY].tolist()
        assert [] == [name for name, _ in model[0].named_buffers()]
