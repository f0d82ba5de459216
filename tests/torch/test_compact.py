"""`compact`: the masked network, computed on kept units alone.

With integers for weights and inputs, rates whose scale is a power of two, and functions that map integers to
multiples of powers of two, every sum is exact in float64, in whatever order: then both must be equal bit for bit.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import thinned.torch as tt
from tests.torch.models import all_equal
from tests.torch.rounding import Magnitudes
from thinned.errors import BindError, ShareError
from thinned.mask import keep
from thinned.methods.schedule import linear
from thinned.torch import _binding, _chain

D = tt.BatchDropout


def mlp(groups=1, second=None, activation=nn.ReLU, p=0.5):
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(12, 40), activation(), D(p, groups), nn.Linear(40, 24), activation(), D(p, second or groups),
        nn.Linear(24, 3),
    )  # fmt: skip


class First(nn.Module):
    """Of a pair."""

    def forward(self, pair):
        """The first."""
        return pair[0] / 64


def two():
    """Two groups, and units that come last."""
    return D(0.5, 2, axis=-1)


def convolutional(groups=1):
    """Convolutions of which one pads by reflection, pooling on either side of a dropout, and a flattening."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), D(0.5, groups)),
        nn.Sequential(nn.Conv2d(16, 12, 3, padding=1, padding_mode="reflect", bias=False), nn.Identity()),
        D(0.75),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.LeakyReLU(0.5),
        nn.Linear(12 * 9, 20),
        D(0.5, groups),
        nn.ReLU(),
        nn.Linear(20, 3),
    )


NETWORKS = {
    "mlp": (mlp, (10, 12)),
    "4 groups": (lambda: mlp(4), (10, 12)),
    "4 groups and 1": (lambda: mlp(4, 1), (10, 12)),
    "2 groups and 3": (lambda: mlp(2, 3, lambda: nn.LeakyReLU(0.5)), (10, 12)),
    "more groups than rows": (lambda: mlp(16), (10, 12)),
    "in place": (lambda: mlp(activation=lambda: nn.ReLU(inplace=True)), (10, 12)),
    "convolutions": (convolutional, (6, 3, 12, 12)),
    "convolutions, 3 groups": (lambda: convolutional(3), (6, 3, 12, 12)),
    "1d": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 8, 3), nn.ReLU(), D(0.5), nn.Conv1d(8, 8, 3), nn.MaxPool1d(2), D(0.5, 2)
        ),
        (6, 4, 16),
    ),
    "sequences": (
        lambda: nn.Sequential(nn.Linear(12, 40), nn.ReLU(), D(0.5, 2, axis=-1), nn.Linear(40, 3)),
        (4, 5, 12),
    ),
    "the dropout first": (
        lambda: nn.Sequential(D(0.5, 2), nn.Identity(), nn.Linear(12, 8), nn.ReLU()),
        (10, 12),
    ),
    "the dropout last": (lambda: nn.Sequential(nn.Linear(12, 8), nn.Sequential(D(0.5, 2))), (10, 12)),
    "whole activations between": (
        lambda: nn.Sequential(
            nn.Linear(12, 8), D(0.5), nn.Hardtanh(-9, 9), D(0.5), nn.Threshold(0, 1), nn.Linear(8, 3)
        ),
        (10, 12),
    ),
    "two dropouts in a row": (
        lambda: nn.Sequential(nn.Linear(12, 8), D(0.5), D(0.5, 2), nn.Linear(8, 3)),
        (10, 12),
    ),
    "other draws between": (
        lambda: nn.Sequential(nn.Linear(12, 8), D(0.5), tt.Dropout(0.5), D(0.5), nn.Linear(8, 3)),
        (10, 12),
    ),
    "layers that stand in two places": (
        lambda: nn.Sequential(*[nn.Linear(12, 12), nn.ReLU(), D(0.5)] * 2, nn.Linear(12, 3)),
        (10, 12),
    ),
    "no bias": (
        lambda: nn.Sequential(nn.Linear(12, 8, bias=False), D(0.5), nn.Linear(8, 3, bias=False)),
        (10, 12),
    ),
    "all dropped": (lambda: mlp(2, p=1.0), (10, 12)),
    "no channel left": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), D(1.0), nn.Conv2d(4, 2, 3), nn.Flatten()),
        (6, 3, 12, 12),
    ),
    "flattened positions": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), D(0.5, 2), nn.Flatten(2), nn.Conv1d(8, 4, 5)),
        (6, 3, 6, 6),
    ),
    "pooling that gives two things": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 8, 3), D(0.5), nn.MaxPool1d(2, return_indices=True), First(), nn.ReLU()
        ),
        (6, 3, 6),
    ),
    "pooling of features": (
        lambda: nn.Sequential(nn.Linear(12, 40), D(0.5, axis=-1), nn.MaxPool1d(2), nn.Linear(20, 3)),
        (4, 5, 12),
    ),
    "sequences with features on the channels' axis": (
        lambda: nn.Sequential(nn.Linear(12, 40), D(0.5), nn.Linear(40, 3)),
        (4, 5, 12),
    ),
}


def whole(model, dtype=torch.float64):
    """Small integers for weights."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randint(-2, 3, parameter.shape, generator=generator).to(dtype)
    return model


def pair(make, seed=None):
    """A network with masks, and the same compacted."""
    masked = whole(make())
    small = copy.deepcopy(masked)
    tt.compact(small)
    if seed is not None:
        tt.bind(masked, seed)
        tt.bind(small, seed)
    return masked, small


def integers(shape, seed=0, dtype=torch.float64):
    """Small ones."""
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def trained(model, shape, steps=3, seed=0):
    """Outputs and all gradients of some steps, the input's among them."""
    found = []
    for step in range(steps):
        x = integers(shape, seed + step).requires_grad_()
        model.zero_grad()
        y = model(x)
        (y * integers(y.shape, 99)).sum().backward()
        found += [y.detach(), x.grad, *(p.grad for p in model.parameters())]
    return found


class TestEquality:
    """Of outputs and gradients, bit for bit."""

    @pytest.mark.parametrize(("make", "shape"), NETWORKS.values(), ids=list(NETWORKS))
    def test_bound(self, make, shape):
        """The law's masks, step by step."""
        masked, small = pair(make, seed=5)

        assert all_equal(trained(masked, shape), trained(small, shape))
        assert (
            masked.state_dict()["thinned.address"].tolist() == small.state_dict()["thinned.address"].tolist()
        )

    @pytest.mark.parametrize(("make", "shape"), NETWORKS.values(), ids=list(NETWORKS))
    def test_free(self, make, shape):
        """`torch.manual_seed` gives both the same masks."""
        found = []
        for model in pair(make):
            torch.manual_seed(3)
            found.append(trained(model, shape))

        assert all_equal(*found)

    @pytest.mark.parametrize(("make", "shape"), NETWORKS.values(), ids=list(NETWORKS))
    def test_evaluation(self, make, shape):
        """The plain network, and training goes on where it was."""
        masked, small = (model.eval() for model in pair(make, seed=5))
        assert all_equal(trained(masked, shape), trained(small, shape))
        assert all_equal(trained(masked.train(), shape), trained(small.train(), shape))

    @pytest.mark.parametrize("rate", [0, 0.0, 1, linear(0.0, 0.5, steps=1), torch.tensor(0.5)], ids=str)
    def test_a_rate_set_later(self, rate):
        """Zero, all, a schedule, and a tensor."""
        masked, small = pair(mlp, seed=5)
        masked[2].p = small[2].p = rate

        assert all_equal(trained(masked, (10, 12)), trained(small, (10, 12)))

    def test_a_part_in_evaluation(self):
        """One dropout of two."""
        masked, small = pair(mlp, seed=5)
        masked[2].eval(), small[2].eval()

        assert all_equal(trained(masked, (10, 12)), trained(small, (10, 12)))

    def test_optimisers(self):
        """See full parameters: momentum and weight decay go on at what was dropped."""
        for optimiser in (
            torch.optim.AdamW,
            lambda p: torch.optim.SGD(p, 0.5, momentum=0.5, weight_decay=0.5),
        ):
            masked, small = pair(mlp, seed=5)
            for model in (masked, small):
                steps = optimiser(model.parameters())
                x = integers((10, 12))
                (model(x) * 2).sum().backward()
                steps.step()
                # Rates of 1/2 keep numbers short; the second step shows what the first remembers.
                model.zero_grad()
                for parameter in model.parameters():
                    parameter.grad = torch.zeros_like(parameter)
                steps.step()
            assert all_equal(list(masked.parameters()), list(small.parameters()))

    def test_accumulation(self):
        """Gradients of two calls add up."""
        masked, small = pair(lambda: mlp(2), seed=5)
        for model in (masked, small):
            losses = [model(integers((10, 12), seed)).sum() for seed in (1, 2)]
            sum(losses).backward()

        assert all_equal([p.grad for p in masked.parameters()], [p.grad for p in small.parameters()])

    def test_frozen_weights_and_no_gradients(self):
        """What asks for no gradient gets none."""
        masked, small = pair(mlp, seed=5)
        for model in (masked, small):
            model[3].weight.requires_grad_(False)
            model(integers((10, 12))).sum().backward()
        assert small[3].weight.grad is None
        assert torch.equal(masked[0].weight.grad, small[0].weight.grad)
        with torch.no_grad():
            assert torch.equal(masked(integers((10, 12))), small(integers((10, 12))))

    def test_second_derivatives(self):
        """A penalty on the gradient."""
        found = []
        for model in pair(lambda: mlp(2, activation=lambda: nn.LeakyReLU(0.5)), seed=5):
            x = integers((10, 12)).requires_grad_()
            (slope,) = torch.autograd.grad((model(x) ** 2).sum(), x, create_graph=True)
            slope.sum().backward()
            found.append([p.grad for p in model.parameters()])

        assert all_equal(*found)

    def test_time_major(self):
        """The batch's axis is the one that bind says."""
        make = lambda: nn.Sequential(nn.Linear(12, 40), D(0.5, 2, axis=-1), nn.Linear(40, 3))  # noqa: E731
        masked, small = pair(make)
        tt.bind(masked, 5, batch=(1, 8, 2))
        tt.bind(small, 5, batch=(1, 8, 2))

        assert all_equal(trained(masked, (5, 4, 12)), trained(small, (5, 4, 12)))

    def test_a_free_layer_in_a_bound_model(self):
        """Has its own idea of where the batch is: axis 0."""
        sizes = ((12, 40), (40, 24), (24, 3))
        found = []
        for model in pair(
            lambda: nn.Sequential(*(part for a, b in sizes for part in (nn.Linear(a, b), two())))
        ):
            tt.bind(model, 5, batch=(1, 4, 0))
            model[3] = two()
            torch.manual_seed(3)
            found.append(trained(model, (6, 4, 12)))

        assert all_equal(*found)

    @pytest.mark.parametrize("batch", [(1, 10, 0), (2, 10, 0)])
    def test_a_batch_where_units_are(self, batch):
        """Or nowhere: is refused as without."""
        for model in pair(mlp):
            with pytest.raises((BindError, ShareError), match=f"axis {batch[0]}"):
                tt.bind(model, 5, batch=batch)(integers((10, 12)))

    @pytest.mark.parametrize("groups", [1, 3, 4])
    def test_ranks(self, groups, monkeypatch):
        """Two processes compute what one does, and their gradients add up to its own."""
        one, two = pair(lambda: mlp(groups), seed=5)
        x = integers((10, 12))
        expected = one(x)
        expected.sum().backward()
        parts = []
        for rank in (0, 1):
            monkeypatch.setattr(_binding, "world", lambda rank=rank: (2, rank))
            tt.bind(two, 5)
            parts.append(two(x[5 * rank : 5 * rank + 5]))
            parts[-1].sum().backward()

        assert torch.equal(expected, torch.cat(parts))
        assert all_equal([p.grad for p in one.parameters()], [p.grad for p in two.parameters()])

    def test_bfloat16(self):
        """Under autocast: sums in float32 of integers, rounded once."""
        found = []
        for model in pair(mlp, seed=5):
            with torch.autocast("cpu", torch.bfloat16):
                y = whole(model, torch.float32)(integers((10, 12), dtype=torch.float32))
            y.sum().backward()
            found.append([y, *(p.grad for p in model.parameters())])

        assert torch.bfloat16 == found[1][0].dtype
        assert all_equal(*found)


class TestRounding:
    """Where sums are not exact."""

    @pytest.mark.parametrize(
        ("activation", "curve"), [(nn.Tanh, (1.0, 0.77)), (nn.GELU, (1.13, 0.80)), (nn.SiLU, (1.1, 0.5))]
    )
    @pytest.mark.parametrize("saboteur", [False, True], ids=["right", "sabotaged"])
    def test_stays_within_what_sums_may_err(self, activation, curve, saboteur, monkeypatch):
        """Loss and gradients, by a bound from the network's own magnitudes; a scale off by 1 % does not."""
        torch.manual_seed(0)
        masked = mlp(activation=activation, p=0.3)
        small = copy.deepcopy(masked)
        tt.compact(small)
        x, found = torch.randn(10, 12), []
        if saboteur:
            monkeypatch.setattr(_chain, "scale", lambda level: 1.01 * 65536 / (65536 - level))
        for model in (masked, small):
            tt.bind(model, 5)
            y = model(x)
            y.square().sum().div(2).backward()
            found.append([y.detach(), *(p.grad for p in model.parameters())])
        distances = [(a.double() - b.double()).abs() for a, b in zip(*found, strict=True)]
        limits = self.limits(masked.double(), x.double(), curve)

        within = [bool((distance <= limit).all()) for distance, limit in zip(distances, limits, strict=True)]
        assert [not saboteur] * 7 == within

    @staticmethod
    def limits(model, x, curve):
        """The bounds, of a double network at step 0."""
        run, layers = [], []
        for place in (0, 3, 6):
            value = model[place](run[-1] if run else x)
            factors = None
            if place < 6:
                kept = keep((1, value.shape[1]), 0.3, seed=5, site=str(place + 2))
                factors = torch.from_numpy(kept) * 65536 / (65536 - 19661)
                value = model[place + 1](value) * factors
            run.append(value.detach())
            layers.append((model[place].weight.detach(), model[place].bias.detach(), factors))
        output, gradients = Magnitudes(layers, curve, 2.0**-24).bounds(x, run, run[-1])
        return [output, *gradients]


class TestCost:
    """What is computed."""

    @pytest.mark.parametrize("groups", [1, 2])
    def test_products_are_of_kept_units(self, groups, monkeypatch):
        """As many rows and columns as the law keeps, forward; the gradient's products have the same shapes."""
        shapes = []
        multiply = F.linear
        monkeypatch.setattr(
            _chain.F, "linear", lambda x, w, b: shapes.append(tuple(w.shape)) or multiply(x, w, b)
        )
        _, small = pair(lambda: mlp(groups), seed=5)
        small(integers((10, 12)))
        one, two = (
            keep((groups, units), 0.5, seed=5, site=site).sum(1) for units, site in ((40, "2"), (24, "5"))
        )

        expected = [[(a, 12) for a in one], list(zip(two, one, strict=True)), [(3, b) for b in two]]
        assert [shape for layer in expected for shape in layer] == shapes

    def test_saves_no_full_activations(self):
        """For backward there are kept units, and weights as many."""
        _, small = pair(mlp, seed=5)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            small(integers((10, 12)))

        assert sizes
        assert max(sizes) < 40 * 24
