"""`ConcreteDropout`: a rate that is learned, and what keeps it from falling to 0."""

import copy
import warnings

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.utils.checkpoint import checkpoint

import thinned
import thinned.torch as tt
from tests.torch.truth import relaxed_factors
from thinned.errors import BindError, RateError


def net():
    """Two layers; the same weights each time."""
    torch.manual_seed(1)
    make = tt.ConcreteDropout
    return nn.Sequential(make(nn.Linear(8, 16)), nn.Tanh(), make(nn.Linear(16, 4), 0.3, temperature=0.5))


def trained(model, call=None, steps=4, loss=None):
    """The rates, and the gradients of inputs, of some steps of training."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    found = []
    for step in range(steps):
        x = torch.randn(5, 8, generator=torch.Generator().manual_seed(step)).requires_grad_()
        optimiser.zero_grad()
        y = (call or model)(x)
        (y.square().mean() + tt.concrete_regulariser(model)).backward()
        optimiser.step()
        found += [y.detach(), x.grad, model[0].rate.detach(), model[2].rate.detach()]
    return found


class TestLayer:
    """What it draws."""

    def test_bound(self):
        """The law's uniforms, at the layer's name and the model's step."""
        model, x = tt.bind(net(), seed=7), torch.randn(5, 8)
        for step in range(3):
            u = tt.concrete_dropout(x, model[0].rate, seed=7, site="0", step=step)
            y = torch.tanh(model[0].layer(u))
            z = tt.concrete_dropout(y, model[2].rate, seed=7, site="2", step=step, temperature=0.5)
            assert torch.allclose(model[2].layer(z), model(x))

    @pytest.mark.parametrize(
        ("layer", "shape", "share"),
        [
            (nn.Linear(8, 2), (3, 4, 8), ()),
            (nn.Conv1d(8, 2, 3), (3, 8, 5), (2,)),
            (nn.Conv2d(8, 2, 3), (3, 8, 5, 5), (2, 3)),
            (nn.Conv2d(8, 2, 3), (8, 5, 5), (1, 2)),
            (nn.Conv3d(8, 2, 2), (3, 8, 4, 4, 4), (2, 3, 4)),
            (nn.ConvTranspose2d(8, 2, 3), (3, 8, 5, 5), (2, 3)),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
    )
    def test_what_it_stands_before(self, layer, shape, share):
        """A linear layer's elements, a convolution's channels."""
        model, x = tt.bind(nn.Sequential(tt.ConcreteDropout(layer, 0.4)), seed=7), torch.randn(shape)
        expected = layer((x.double() * relaxed_factors(shape, 0.4, share=share, seed=7, site="0")).float())
        mask_shape = tuple(1 if axis in share else size for axis, size in enumerate(shape))

        assert torch.allclose(expected, model(x), atol=1e-5)
        assert mask_shape == thinned.sites(model, x)[0].mask_shape

    def test_evaluation_is_the_layer(self):
        """Nothing is drawn."""
        layer, x = tt.ConcreteDropout(nn.Linear(8, 4)).eval(), torch.randn(3, 8)

        assert torch.equal(layer.layer(x), layer(x))

    def test_free(self):
        """`torch.manual_seed` governs it, and two calls differ."""
        layer, x, found = tt.ConcreteDropout(nn.Linear(8, 4)), torch.randn(3, 8), []
        for _ in range(2):
            torch.manual_seed(3)
            found.append(torch.cat([layer(x), layer(x)]))

        assert torch.equal(*found)
        assert not torch.equal(*found[0].chunk(2))

    def test_compiled_is_eager(self):
        """Rates that learn compile nothing anew, and the numbers are the same, bit for bit."""
        counter = CompileCounter()
        models = [tt.bind(net(), seed=3) for _ in range(2)]
        expected = trained(models[0])
        found = trained(models[1], torch.compile(models[1], fullgraph=True, backend=counter))

        assert all(map(torch.equal, expected, found))
        assert 1 == counter.frame_count

    def test_inductor(self):
        """By PyTorch's own compiler, whose other operations may round differently."""
        models = [tt.bind(net(), seed=3) for _ in range(2)]
        expected, found = trained(models[0]), trained(models[1], torch.compile(models[1], fullgraph=True))

        assert all(map(torch.allclose, expected, found))

    def test_resumes(self):
        """Seed, step and rate are in the state dict."""
        first, second = tt.bind(net(), seed=3), tt.bind(net(), seed=9)
        trained(first, steps=3)
        second.load_state_dict(first.state_dict())
        x = torch.randn(5, 8)

        assert torch.equal(first(x), second(x))
        assert ["0.p_logit", "0.layer.weight", "0.layer.bias"] == list(first.state_dict())[:3]

    @pytest.mark.parametrize("reentrant", [False, True])
    def test_checkpointing(self, reentrant):
        """Draws again what it drew."""
        models = [tt.bind(Through(through), seed=3) for through in (None, reentrant)]
        found = []
        for model in models:
            x = torch.randn(5, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
            model(x).square().sum().backward()
            found.append([x.grad, *(p.grad for p in model.parameters())])

        assert all(map(torch.equal, *found))

    def test_copies(self):
        """Have rates and draws of their own, the same."""
        model, x = tt.bind(net(), seed=3), torch.randn(5, 8)
        twin = copy.deepcopy(model)
        assert torch.equal(model(x), twin(x))
        twin[0].p = 0.7
        assert model[0].p == pytest.approx(0.1)

    def test_half(self):
        """Autocast and bfloat16 weights."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.bfloat16 == net()(torch.randn(5, 8)).dtype
        assert torch.bfloat16 == net().bfloat16()(torch.randn(5, 8, dtype=torch.bfloat16)).dtype


class Through(nn.Module):
    """The net, by a checkpoint or not."""

    def __init__(self, reentrant):
        super().__init__()
        self.net, self.reentrant = net(), reentrant

    def forward(self, x):
        """Twice, in a checkpoint."""
        if self.reentrant is None:
            return self.net(x)
        return checkpoint(self.net, x, use_reentrant=self.reentrant)


class TestRate:
    """It is learned, read and set."""

    def test_read_and_set(self):
        """`p` is a number, `rate` has a gradient."""
        layer = tt.ConcreteDropout(nn.Linear(8, 4), 0.2)
        assert (pytest.approx(0.2), True) == (layer.p, layer.rate.requires_grad)
        layer.p = 0.9
        assert (pytest.approx(0.9), pytest.approx(0.9)) == (layer.p, layer.stated_rate())
        with pytest.raises(RateError, match="expected a rate between 0 and 1"):
            layer.p = 0

    def test_falls_without_a_reason_to_drop_and_stays_with_one(self):
        """A data term alone wants less noise; the entropy's term holds the rate, and wins where it is large."""
        rates = {}
        for weight in (0.0, 3e-3):
            torch.manual_seed(0)
            layer = tt.bind(tt.ConcreteDropout(nn.Linear(16, 1), 0.3, dropout_regulariser=weight), seed=0)
            optimiser = torch.optim.Adam(layer.parameters(), lr=0.05)
            truth = torch.randn(16, 1)
            for _ in range(150):
                x = torch.randn(64, 16)
                optimiser.zero_grad()
                ((layer(x) - x @ truth).square().mean() * 0.01 + layer.regulariser()).backward()
                optimiser.step()
            rates[weight] = layer.p

        assert rates[0.0] < 0.1
        assert rates[3e-3] > rates[0.0]

    def test_the_entropy_alone_goes_to_a_half(self):
        """Where its term is least."""
        layer = tt.ConcreteDropout(nn.Linear(16, 1), 0.1, weight_regulariser=0, dropout_regulariser=1)
        optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
        for _ in range(200):
            optimiser.zero_grad()
            layer.regulariser().backward()
            optimiser.step()

        assert layer.p == pytest.approx(0.5, abs=1e-3)


class TestRegulariser:
    """What belongs into the loss."""

    @pytest.mark.parametrize(
        "layer", [nn.Linear(8, 3), nn.Conv2d(8, 3, 3), nn.ConvTranspose2d(8, 3, 3)], ids=str
    )
    def test_is_the_papers(self, layer):
        """With the weight's squares, and as many inputs as have draws."""
        concrete = tt.ConcreteDropout(layer, 0.2, weight_regulariser=0.3, dropout_regulariser=0.5)
        p = 0.2
        expected = 0.3 * layer.weight.square().sum() / (1 - p)
        expected = expected + 0.5 * 8 * (p * np.log(p) + (1 - p) * np.log(1 - p))

        assert torch.allclose(expected, concrete.regulariser())

    def test_of_a_model(self):
        """The sum; 0 of a model without."""
        model = net()

        assert torch.allclose(model[0].regulariser() + model[2].regulariser(), tt.concrete_regulariser(model))
        assert 0 == float(tt.concrete_regulariser(nn.Linear(2, 2)))

    def test_has_gradients(self):
        """For the weights and the rate."""
        model = net()
        tt.concrete_regulariser(model).backward()

        assert all(p.grad.any() for n, p in model.named_parameters() if "bias" not in n)


class TestWarning:
    """Of a regulariser that is not in the loss."""

    def steps(self, model, count, *, every=1, regularised=False):
        """Steps of training, `every` micro-batches each."""
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(count):
            optimiser.zero_grad()
            for turn in range(every):
                loss = model(torch.randn(5, 8)).square().mean()
                if regularised and turn == every - 1:
                    loss = loss + tt.concrete_regulariser(model)
                loss.backward()
            optimiser.step()

    def test_once(self):
        """By the third step, and never again."""
        model = nn.Sequential(tt.ConcreteDropout(nn.Linear(8, 4)))
        self.steps(model, 2)
        with pytest.warns(
            UserWarning, match=r"without its regulariser.* add thinned.torch.concrete_regulariser"
        ) as seen:
            self.steps(model, 10)

        assert 1 == len(seen)

    @pytest.mark.parametrize("every", [1, 8])
    def test_not_where_it_is_added(self, every):
        """Nor with gradients accumulated over micro-batches, of which one has it."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.steps(net(), 6, every=every, regularised=True)

    def test_not_where_nothing_is_trained(self):
        """Monte-Carlo dropout, a frozen rate, weights that are loaded between two calls."""
        model, frozen = net(), net()
        for layer in (frozen[0], frozen[2]):
            layer.p_logit.requires_grad_(False)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(10):
                with torch.no_grad():
                    model(torch.randn(5, 8))
            model(torch.randn(5, 8))
            model.load_state_dict(net().state_dict())
            model(torch.randn(5, 8))
            self.steps(frozen, 5)


class TestSharded:
    """A model that `torch.distributed` shards."""

    def test_learns_as_the_whole(self):
        """`fully_shard` takes its parameters; the rate can be read, and the regulariser has its gradient."""
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        try:
            models = [tt.bind(net(), 0) for _ in range(2)]
            fully_shard(models[0], mesh=init_device_mesh("cpu", (1,)))
            for model in models:
                trained(model)

            (sharded, whole) = ([model[0].p, model[2].p] for model in models)
            assert sharded == whole
            assert whole != [0.1, 0.3]
        finally:
            dist.destroy_process_group()


class TestErrors:
    """What is refused."""

    def test_other_layers(self):
        """Neither linear nor a convolution."""
        with pytest.raises(
            TypeError, match=r"got LSTM\. For another layer, call thinned.torch.concrete_dropout"
        ):
            tt.ConcreteDropout(nn.LSTM(2, 2))

    @pytest.mark.parametrize(
        "arguments",
        [{"p": 0}, {"p": thinned.late(0.1, after=2)}, {"weight_regulariser": -1}, {"temperature": 0}],
        ids=str,
    )
    def test_arguments(self, arguments):
        """Numbers that mean nothing."""
        with pytest.raises(RateError):
            tt.ConcreteDropout(nn.Linear(2, 2), **arguments)

    def test_unknown_keywords(self):
        """Are a TypeError."""
        with pytest.raises(TypeError):
            tt.ConcreteDropout(nn.Linear(2, 2), rate=0.1)

    def test_outside_of_a_call(self):
        """A bound layer has its address from its model."""
        model = tt.bind(net(), seed=0)
        with pytest.raises(BindError, match="'0' is bound"):
            model[0](torch.randn(5, 8))
