"""`BatchDropout`: the masks are the law's, one for a batch or for each of its groups."""

import copy

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

import thinned.torch as tt
from tests.torch.models import MODES, all_equal, through
from thinned.errors import BindError, RateError, ShareError
from thinned.mask import keep
from thinned.methods.schedule import linear
from thinned.torch import _binding

SHAPES = {"features": (6, 16), "channels": (6, 16, 3, 2), "sequence": (6, 5, 16)}


def layer(kind="features", p=0.5, groups=1, **rest):
    """For inputs of a kind."""
    return tt.BatchDropout(p, groups, axis=-1 if kind == "sequence" else 1, **rest)


def mask(kind, groups, step, rows=6, p=0.5, **where):
    """The law's: units for each group, given to its rows and positions."""
    where = {"seed": 7, "site": "0"} | where
    units = torch.from_numpy(keep((groups, 16), p, step=step, **where))
    each = units[[row * groups // rows for row in range(rows)]]
    return {"features": each, "channels": each[:, :, None, None], "sequence": each[:, None]}[kind]


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("groups", [1, 2, 4, 6])
class TestMasks:
    """Bound."""

    def test_are_the_laws(self, kind, groups):
        """Step by step, bit for bit, and so is the gradient."""
        model = tt.bind(nn.Sequential(layer(kind, groups=groups)), 7)
        for step in range(3):
            x = torch.randn(SHAPES[kind]).requires_grad_()
            y = model(x)
            y.backward(torch.ones_like(y))
            expected = mask(kind, groups, step).expand(x.shape)

            assert torch.equal(torch.where(expected, 2 * x, 0), y)
            assert torch.equal(2.0 * expected, x.grad)

    def test_of_ranks_are_those_of_the_whole(self, kind, groups):
        """One global batch in 1, 2 and 3 pieces."""
        x = torch.randn(SHAPES[kind])
        whole = tt.bind(nn.Sequential(layer(kind, groups=groups)), 7)(x)
        for rows in (2, 3):
            parts = [
                tt.bind(nn.Sequential(layer(kind, groups=groups)), 7, batch=(0, 6, start))(
                    x[start : start + rows]
                )
                for start in range(0, 6, rows)
            ]
            assert torch.equal(whole, torch.cat(parts))

    def test_of_processes_are_those_of_the_whole(self, kind, groups, monkeypatch):
        """Where torch.distributed says which rank this is."""
        x = torch.randn(SHAPES[kind])
        whole = tt.bind(nn.Sequential(layer(kind, groups=groups)), 7)(x)
        parts = []
        for rank in (0, 1):
            monkeypatch.setattr(_binding, "world", lambda rank=rank: (2, rank))
            parts.append(tt.bind(nn.Sequential(layer(kind, groups=groups)), 7)(x[3 * rank : 3 * rank + 3]))

        assert torch.equal(whole, torch.cat(parts))

    def test_table_of_sites(self, kind, groups):
        """The shape of the mask: groups by units."""
        (site,) = tt.sites(tt.bind(nn.Sequential(layer(kind, groups=groups)), 7), torch.randn(SHAPES[kind]))
        shape = {"features": (groups, 16), "channels": (groups, 16, 1, 1), "sequence": (groups, 1, 16)}[kind]

        assert ("0", 0.5, shape) == (site.name, site.rate, site.mask_shape)


@pytest.mark.parametrize(
    ("backend", "kind", "groups"),
    [("inductor", "features", 1), ("inductor", "channels", 4)]
    + [("aot_eager", kind, groups) for kind in SHAPES for groups in (1, 4)],
)
class TestCompiled:
    """`torch.compile(fullgraph=True)`."""

    def test_is_as_eager(self, backend, kind, groups):
        """One compilation, the bits of eager mode, forward and backward."""
        counter = CompileCounterWithBackend(backend)
        eager, model = (tt.bind(nn.Sequential(layer(kind, groups=groups)), 7) for _ in range(2))
        run = torch.compile(model, backend=counter, fullgraph=True)
        for _ in range(4):
            one, two = (torch.ones(SHAPES[kind], requires_grad=True) for _ in range(2))
            y, z = eager(one), run(two)
            y.sum().backward()
            z.sum().backward()
            assert torch.equal(y, z)
            assert torch.equal(one.grad, two.grad)
        assert 1 == counter.frame_count

    def test_shards(self, backend, kind, groups):
        """Rows of a larger batch."""
        model = tt.bind(nn.Sequential(layer(kind, groups=groups)), 7, batch=(0, 18, 6))
        found = torch.compile(model, backend=backend, fullgraph=True)(torch.ones(SHAPES[kind]))
        whole = mask(kind, groups, 0, rows=18)[6:12]

        assert torch.equal(2.0 * (whole if groups > 1 else whole[:1]).expand(SHAPES[kind]), found)


class TestLayer:
    """What every layer holds."""

    def test_time_major(self):
        """The batch's axis is the one that bind says."""
        model = tt.bind(nn.Sequential(tt.BatchDropout(0.5, groups=2, axis=-1)), 7, batch=(1, 6, 0))
        y = model(torch.ones(5, 6, 16))

        assert torch.equal(2.0 * mask("sequence", 2, 0).transpose(0, 1).expand(5, 6, 16), y)
        assert [(1, 2, 16)] == [site.mask_shape for site in tt.sites(model, torch.ones(5, 6, 16))]

    def test_seeds(self):
        """`torch.manual_seed` governs a free layer; two calls differ."""
        drop, x = layer(groups=3), torch.ones(6, 64)
        torch.manual_seed(3)
        one, two = drop(x), drop(x)
        torch.manual_seed(3)

        assert torch.equal(one, drop(x))
        assert not torch.equal(one, two)
        assert torch.equal(one[0], one[1])
        assert not torch.equal(one[0], one[2])

    @pytest.mark.parametrize("groups", [1, 2])
    def test_evaluation_and_certainties(self, groups):
        """The input itself, or nothing, with finite gradients."""
        x = torch.tensor([[1.0, torch.inf], [torch.nan, -2.0]], requires_grad=True)
        drop = layer(groups=groups)
        assert drop.eval()(x) is x
        drop.train().p = 0
        assert drop(x) is x
        drop.p = 1
        y = drop(x)
        y.sum().backward()
        assert torch.equal(torch.zeros(2, 2), y)
        assert torch.equal(torch.zeros(2, 2), x.grad)

    def test_schedule(self):
        """The rate is that of the step, and a free layer has no step."""
        model = tt.bind(nn.Sequential(layer(p=linear(0.0, 0.5, steps=2))), 7)
        for step, rate in enumerate([0.0, 0.25, 0.5, 0.5]):
            expected = mask("features", 1, step, p=rate)
            assert torch.equal(
                torch.where(expected, 1 / (1 - rate), 0.0).float().expand(6, 16), model(torch.ones(6, 16))
            )
        with pytest.raises(BindError, match="free layer"):
            layer(p=linear(0.0, 0.5, steps=2))(torch.ones(6, 16))

    @pytest.mark.parametrize("mode", MODES)
    def test_checkpoints(self, mode):
        """A recomputation repeats the draw, with two calls before one backward pass."""
        model = tt.bind(Checkpointed(mode), 7)
        xs = [torch.ones(6, 16, requires_grad=True) for _ in range(2)]
        sum(model(x).sum() for x in xs).backward()

        for step, x in enumerate(xs):
            kept = torch.where(mask("features", 2, step), 2.0, 0.0)
            torch.testing.assert_close(kept * torch.cos(kept), x.grad, rtol=2**-22, atol=0)

    def test_resumes(self):
        """From its state dict, and a copy goes on as the original does."""
        model, x = tt.bind(nn.Sequential(layer(groups=2)), 7), torch.ones(6, 16)
        for _ in range(3):
            model(x)
        other = tt.bind(nn.Sequential(layer(groups=2)), 0)
        other.load_state_dict(model.state_dict())
        twin = copy.deepcopy(model)
        expected = [model(x) for _ in range(3)]

        assert all_equal(expected, [other(x) for _ in range(3)])
        assert all_equal(expected, [twin(x) for _ in range(3)])

    def test_repr(self):
        """What is not as by default."""
        assert "BatchDropout(p=0.5)" == repr(tt.BatchDropout())
        assert "BatchDropout(p=0.1, groups=4, axis=-1, site='a')" == repr(
            tt.BatchDropout(0.1, 4, axis=-1, site="a")
        )

    def test_site(self):
        """Given, it is the address."""
        model = tt.bind(nn.Sequential(layer(site="a")), 7)

        assert torch.equal(2.0 * mask("features", 1, 0, site="a").expand(6, 16), model(torch.ones(6, 16)))

    def test_wrong_arguments(self):
        """Each in words."""
        with pytest.raises(RateError):
            tt.BatchDropout(1.5)
        for axis in (1.5, "1", None, True):
            with pytest.raises(ShareError, match="axis=, where the units are"):
                tt.BatchDropout(0.5, axis=axis)
        with pytest.raises(ShareError, match="groups"):
            tt.BatchDropout(0.5, 0)
        with pytest.raises(ShareError, match="axis=-1"):
            tt.BatchDropout(0.5)(torch.ones(16))
        with pytest.raises(TypeError):
            tt.BatchDropout(0.5, group=2)


class Checkpointed(nn.Module):
    """A function of the draw whose gradient shows it."""

    def __init__(self, mode):
        super().__init__()
        self.drop = layer(groups=2, site="0")
        self.mode = mode

    def forward(self, x):
        """In a mode."""
        return through(self.mode, lambda v: torch.sin(self.drop(v)), x)
