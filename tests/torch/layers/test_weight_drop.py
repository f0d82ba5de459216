"""WeightDrop: the raw weights are the parameters, before, while and after it trains."""

import copy
import threading

import pytest
import torch
from torch import nn

import thinned.torch as tt
from thinned.errors import ConfigurationError
from thinned.mask import keep

SEED = 7


def lstm(**kw):
    """The same weights each time."""
    torch.manual_seed(1)
    return nn.LSTM(6, 5, 2, **kw)


def trained(model, steps, x):
    """Steps of an optimiser."""
    optimiser = torch.optim.SGD(model.parameters(), 0.1, weight_decay=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        model(x)[0].square().sum().backward()
        optimiser.step()


class TestWeights:
    """Restored exactly, because nothing is put in their place."""

    def test_are_what_the_optimiser_made_of_them(self):
        """Fifty steps, against a network that is given masked weights by hand."""
        x = torch.randn(7, 3, 6)
        model = tt.bind(nn.Sequential(tt.WeightDrop(lstm(), 0.5)), SEED)
        trained(model, 50, x)
        names = [name for name, _ in lstm().named_parameters()]
        raw = {name: value.detach().clone().requires_grad_() for name, value in lstm().named_parameters()}
        optimiser = torch.optim.SGD(raw.values(), 0.1, weight_decay=0.01)
        for step in range(50):
            values = []
            for name in names:
                values.append(raw[name])
                if name.startswith("weight_hh"):
                    kept = keep((20, 5), 0.5, seed=SEED, site=f"0/{name}", step=step)
                    values[-1] = torch.where(torch.from_numpy(kept), raw[name] * 2, 0)
            zeros = torch.zeros(2, 3, 5)
            y, *_ = torch._VF.lstm(x, (zeros, zeros), values, True, 2, 0.0, True, False, False)
            optimiser.zero_grad()
            y.square().sum().backward()
            optimiser.step()

        for name, value in model[0].module.named_parameters():
            assert torch.equal(raw[name], value), name

    def test_stay_the_parameters(self):
        """The same tensors, through calls, gradients and errors; no call leaves a graph behind."""
        layer = tt.WeightDrop(lstm(), 0.5)
        before = {name: (id(value), value.detach().clone()) for name, value in layer.named_parameters()}
        layer(torch.randn(7, 3, 6))[0].sum().backward()
        with pytest.raises(RuntimeError, match=r"input\.size"):
            layer(torch.randn(7, 3, 9))

        for name, value in layer.named_parameters():
            assert (id(value), True) == (before[name][0], torch.equal(before[name][1], value))
            assert isinstance(value, nn.Parameter)
            assert value.grad is not None
        assert all(isinstance(value, nn.Parameter) for value in layer.module._flat_weights)

    def test_dropped_ones_have_no_gradient_of_that_call(self):
        """Where the mask is zero."""
        model = tt.bind(nn.Sequential(tt.WeightDrop(lstm(), 0.5)), SEED)
        model(torch.randn(7, 3, 6))[0].sum().backward()
        kept = torch.from_numpy(keep((20, 5), 0.5, seed=SEED, site="0/weight_hh_l1"))

        assert torch.equal(kept, model[0].module.weight_hh_l1.grad != 0)

    def test_evaluation_uses_all_of_them(self):
        """After training, what the wrapped network gives."""
        layer, x = tt.WeightDrop(lstm(), 0.5), torch.randn(7, 3, 6)
        trained(layer, 3, x)

        assert torch.equal(layer.module(x)[0], layer.eval()(x)[0])

    def test_threads_do_not_disturb_each_other(self):
        """One trains, another evaluates the wrapped network, with whole weights."""
        layer, x = tt.WeightDrop(lstm(), 0.5), torch.randn(7, 3, 6)
        expected, found, done = layer.module(x)[0], [], threading.Event()

        def evaluate():
            while not done.is_set():
                found.append(layer.module(x)[0])

        other = threading.Thread(target=evaluate)
        other.start()
        for _ in range(200):
            layer(x)
        done.set()
        other.join()

        assert found
        assert all(torch.equal(expected, y) for y in found)

    def test_new_tensors_are_seen(self):
        """Parameters that `functional_call` or a move to another type put in place are what is thinned."""
        layer, x = tt.WeightDrop(lstm(), 0.5), torch.randn(7, 3, 6)
        zeros = {name: torch.zeros_like(value) for name, value in layer.named_parameters()}

        assert not torch.func.functional_call(layer, zeros, (x,))[0].any()
        assert layer(x)[0].any()
        assert torch.float64 == layer.double()(x.double())[0].dtype

    def test_new_tensors_are_thinned(self):
        """Also in the first call that sees them: at rate 1 nothing flows back to what is dropped."""
        layer, x = tt.WeightDrop(lstm(), 1.0), torch.randn(7, 3, 6)
        new = {name: value.detach().clone().requires_grad_() for name, value in layer.named_parameters()}
        torch.func.functional_call(layer, new, (x,))[0].sum().backward()

        assert not new["module.weight_hh_l0"].grad.any()
        assert new["module.weight_ih_l0"].grad.any()


class TestInputs:
    """All that PyTorch's networks take."""

    def test_packed_sequences(self):
        """Of several lengths."""
        packed = nn.utils.rnn.pack_sequence([torch.randn(4, 6), torch.randn(2, 6)])
        y, _ = tt.WeightDrop(lstm(), 0.5)(packed)

        assert (6, 5) == tuple(y.data.shape)

    def test_states(self):
        """That are passed on, as truncated backpropagation does."""
        layer = tt.WeightDrop(lstm(), 0.5)
        x = torch.randn(7, 3, 6)
        _, state = layer(x)
        y, _ = layer(x, state)

        assert not torch.equal(layer.eval()(x)[0], y)

    def test_chosen_weights(self):
        """Others than those between hidden states."""
        model = tt.bind(nn.Sequential(tt.WeightDrop(lstm(), 1.0, ["weight_ih_l0"])), SEED)
        model(torch.randn(7, 3, 6))[0].sum().backward()

        assert not model[0].module.weight_ih_l0.grad.any()
        assert model[0].module.weight_hh_l0.grad.any()


class TestState:
    """What is saved."""

    def test_is_the_networks(self):
        """Behind `module.`, and loads into it by itself."""
        layer = tt.WeightDrop(lstm(), 0.5)
        other = lstm()
        other.load_state_dict(layer.module.state_dict())

        assert [f"module.{name}" for name in other.state_dict()] == list(layer.state_dict())

    def test_copies_draw_alike(self):
        """In the middle of training."""
        model, x = tt.bind(nn.Sequential(tt.WeightDrop(lstm(), 0.5)), SEED), torch.randn(7, 3, 6)
        trained(model, 2, x)
        twin = copy.deepcopy(model)

        assert torch.equal(model(x)[0], twin(x)[0])


class TestRefusals:
    """What it does not wrap."""

    def test_modules(self):
        """That are no recurrent networks, with a way out."""
        with pytest.raises(TypeError, match=r"got Linear\. For a linear layer there is"):
            tt.WeightDrop(nn.Linear(3, 4))

    def test_weights(self):
        """That are not there."""
        with pytest.raises(ConfigurationError, match="'weight_hh_l7'"):
            tt.WeightDrop(lstm(), 0.5, ["weight_hh_l7"])

    def test_weights_that_are_computed(self):
        """From other parameters, before they are dropped or since."""
        layer, normed = tt.WeightDrop(lstm()), lstm()
        nn.utils.parametrizations.weight_norm(normed, "weight_hh_l0")
        nn.utils.parametrizations.weight_norm(layer.module, "weight_hh_l0")
        for call in (lambda: tt.WeightDrop(normed), lambda: layer(torch.ones(2, 1, 6))):
            with pytest.raises(ConfigurationError, match="'weight_hh_l0' is computed from others"):
                call()

    def test_one_name(self):
        """A name by itself is that weight, and not its letters."""
        assert tt.WeightDrop(lstm(), 0.5, "weight_hh_l1").parts == ("weight_hh_l1",)
