"""`torch.compile` and `torch.export`: whole graphs, no recompilation, the bits of eager mode."""

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

import thinned.torch as tt
from tests.torch.models import Block, Tower, all_equal, gradients, mlp, outputs
from tests.torch.truth import FORMATS, WHERE, dropped, name, same

SEED = 7


def counted(function, backend="aot_eager"):
    """A compiled function, and the counter of its compilations."""
    counter = CompileCounterWithBackend(backend)
    return torch.compile(function, fullgraph=True, backend=counter), counter


class TestFunctions:
    """`dropout` at an address."""

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_a_step_that_moves(self, backend):
        """As a tensor or as an integer, it compiles nothing anew, and the masks are the law's."""
        run, counter = counted(lambda x, step: tt.dropout(x, 0.5, seed=3, site="a", step=step), backend)
        x = torch.randn(16, 33)
        for step in range(100):
            expected = dropped(x, 0.5, seed=3, site="a", step=step)
            assert same(expected, run(x, torch.tensor(step)))
        assert 1 == counter.frame_count

        for step in range(20):
            assert same(dropped(x, 0.5, seed=3, site="a", step=step), run(x, step))
        assert counter.frame_count <= 4  # tensors; the constants 0 and 1, PyTorch's own; all others

    def test_a_rate_that_moves(self):
        """As a tensor once, as a number twice: the second number makes it data."""
        run, counter = counted(lambda x, rate: tt.dropout(x, rate, **WHERE))
        x = torch.randn(99)
        for turn in range(20):
            rate = 0.25 + turn / 64
            assert same(dropped(x, rate, **WHERE), run(x, torch.tensor(rate)))
        assert 1 == counter.frame_count

        for turn in range(20):
            rate = 0.25 + turn / 64
            assert same(dropped(x, rate, **WHERE), run(x, rate))
        assert counter.frame_count <= 3

    @pytest.mark.parametrize("rate", [1.5, -0.1, 1e-9])
    def test_a_wrong_rate(self, rate):
        """Is an error here as well."""
        run, _ = counted(lambda x: tt.dropout(x, rate, seed=0))
        with pytest.raises(Exception, match="rate"):
            run(torch.ones(3))

    def test_windows(self):
        """A shard and a list of sample ids, as constants and as data."""
        whole = tt.dropout(torch.ones(8, 3), 0.5, seed=3)
        ids = torch.tensor([5, 0])
        window = lambda x, where: tt.dropout(x, 0.5, seed=3, window=((8, 3), (where, 0)))  # noqa: E731
        run, counter = counted(window)

        assert torch.equal(whole[ids], run(torch.ones(2, 3), ids))
        assert torch.equal(whole[ids.flip(0)], run(torch.ones(2, 3), ids.flip(0)))
        assert 1 == counter.frame_count
        for start in range(6):
            assert torch.equal(whole[start : start + 2], run(torch.ones(2, 3), start))
            assert torch.equal(whole[start : start + 2], run(torch.ones(2, 3), torch.tensor(start)))

    def test_vmap_inside(self):
        """Seeds in lanes, in a graph."""
        lanes = torch.func.vmap(lambda v, t: tt.dropout(v**2, 0.5, seed=t))
        x, seeds = torch.randn(3, 8), torch.arange(3)

        assert torch.equal(lanes(x, seeds), counted(lanes)[0](x, seeds))

    def test_new_shapes(self):
        """Two compilations serve all of them."""
        run, counter = counted(lambda x: tt.dropout(x, 0.5, **WHERE))
        for rows in range(2, 12):
            x = torch.randn(rows, 5)
            assert same(dropped(x, 0.5, **WHERE), run(x))

        assert counter.frame_count <= 2

    @pytest.mark.parametrize("memory_format", FORMATS, ids=name)
    def test_fused(self, memory_format):
        """A relu and a residual, with gradients, for strided inputs."""
        both = lambda x, r: tt.relu_dropout(x, 0.5, seed=1) + tt.dropout_add(x, r, 0.5, seed=2)  # noqa: E731
        found = []
        for run in (both, counted(both)[0]):
            torch.manual_seed(0)
            x = torch.randn(2, 3, 4, 5).contiguous(memory_format=memory_format).requires_grad_()
            y = run(x, torch.ones(2, 3, 4, 5))
            y.sum().backward()
            found.append((y, x.grad))

        assert all_equal(*found)


class TestFreeLayers:
    """They draw from PyTorch's generator in a graph as well."""

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_seeds(self, backend):
        """`torch.manual_seed` governs them, and two calls differ."""
        run, counter = counted(nn.Sequential(tt.Dropout(0.5), tt.Dropout(0.5)), backend)
        x = torch.ones(1000)
        torch.manual_seed(0)
        one, two = run(x), run(x)
        torch.manual_seed(0)

        assert torch.equal(one, run(x))
        assert not torch.equal(one, two)
        assert 200 < (one != 0).sum() < 300
        assert 1 == counter.frame_count

    def test_checkpoints(self):
        """What a graph recomputes has the mask that it had."""
        layer = tt.Dropout(0.5)
        run, _ = counted(lambda x: checkpoint(lambda v: layer(v) * v, x, use_reentrant=False))
        x = torch.ones(64, requires_grad=True)
        y = run(x)
        y.sum().backward()

        assert torch.equal(2 * y, x.grad)


class TestBoundModels:
    """Compiled, they give eager's bits and count eager's steps."""

    def test_a_hundred_steps(self):
        """One compilation, by Inductor, training."""
        model = mlp()
        x = torch.randn(3, 8)
        expected = outputs(model, model, x, SEED)
        run, counter = counted(tt.bind(model, SEED), "inductor")
        found = []
        for _ in range(100):
            y = run(x)
            y.sum().backward()
            found.append(y.detach())

        torch.testing.assert_close(expected, found[:4])
        assert all(((e == 0) == (f == 0)).all() for e, f in zip(expected, found, strict=False))
        assert 1 == counter.frame_count
        assert [SEED, 100] == model.state_dict()["thinned.address"].tolist()

    @pytest.mark.parametrize("shared", [False, True])
    def test_gradients(self, shared):
        """Two calls before one backward, layers of their own or one for all."""
        model = Tower(shared=shared)
        expected = gradients(tt.bind(model, SEED), list(model.parameters()), calls=2)
        run, _ = counted(tt.bind(model, SEED))

        assert all_equal(expected, gradients(run, list(model.parameters()), calls=2))

    def test_calls_in_one_graph(self):
        """Two models, one of them twice."""
        one, two, x = tt.bind(mlp(), 0), tt.bind(mlp(), 1), torch.randn(3, 8)
        both = lambda x: (one(x), two(x), one(x))  # noqa: E731
        expected = both(x)
        tt.bind(one, 0), tt.bind(two, 1)

        assert all_equal(expected, counted(both)[0](x))

    @pytest.mark.parametrize("backend", ["aot_eager_decomp_partition", "inductor"])
    def test_a_layer_twice_on_one_input(self, backend):
        """The compiler does not take two draws for one, nor two root calls."""
        model = Part(lambda self, x: torch.stack([self.a(x), self.a(x), self.b(x)]))
        x = torch.ones(64, requires_grad=True)
        tt.bind(model, SEED)
        run, _ = counted(lambda x: (model(x), model(x)), backend)

        for step, found in enumerate(run(x)):
            for site, y in zip(["a", "a#1", "b"], found.detach(), strict=True):
                assert same(dropped(x, 0.5, seed=SEED, site=site, step=step), y)

    def test_graph_breaks(self):
        """In the root and in a part of it: pieces know their call."""

        def part(self, x):
            x = self.a(x)
            torch._dynamo.graph_break()
            return self.b(x + 1)

        inner = Part(part)
        model = nn.Sequential(inner, tt.Dropout(0.5))
        for root in (inner, model):
            expected = outputs(root, root, torch.ones(64), SEED)
            assert all_equal(
                expected, outputs(root, torch.compile(root, backend="aot_eager"), torch.ones(64), SEED)
            )

    def test_in_place_of_the_model(self):
        """`model.compile()`."""
        model, x = mlp(), torch.randn(3, 8)
        expected = outputs(model, model, x, SEED)
        model.compile(backend="aot_eager", fullgraph=True)

        assert all_equal(expected, outputs(model, model, x, SEED))

    def test_equal_blocks_share_a_graph(self):
        """Twelve blocks, compiled one by one, take two compilations at most, a layer used twice each."""
        model = nn.Sequential(*(Twice() for _ in range(12)))
        x = torch.randn(3, 8)
        expected = outputs(model, model, x, SEED)
        counter = CompileCounterWithBackend("aot_eager")
        for block in model:
            block.compile(backend=counter, fullgraph=True)

        assert all_equal(expected, outputs(model, model, x, SEED))
        assert counter.frame_count <= 2

    def test_a_rate_set_later(self):
        """A schedule of the rate compiles once more, and once again for 0."""
        model, x = tt.bind(nn.Sequential(tt.Dropout(0.5)), SEED), torch.ones(99)
        run, counter = counted(model)
        for step, rate in enumerate([0.5, 0.4, 0.3, 0.25, 0.2, 0.0, 0.1]):
            model[0].p = rate
            assert same(dropped(x, rate, seed=SEED, site="0", step=step), run(x))

        assert counter.frame_count <= 4

    def test_evaluation(self):
        """Nothing is dropped, no step is made."""
        model, x = tt.bind(nn.Sequential(tt.Dropout(0.5)), SEED).eval(), torch.ones(64)

        assert counted(model)[0](x) is x
        assert 0 == model.state_dict()["thinned.address"][1]

    def test_sampling_in_evaluation(self):
        """Layers in training under a root in evaluation draw anew at each call, compiled or not."""
        model, x = nn.Sequential(tt.Dropout(0.5)), torch.ones(64)
        tt.bind(model, SEED)(x)
        model.eval()[0].train()
        run, _ = counted(model)

        assert same(dropped(x, 0.5, seed=SEED, site="0", step=1), run(x))
        assert same(dropped(x, 0.5, seed=SEED, site="0", step=2), model(x))
        assert 3 == model.state_dict()["thinned.address"][1]

    def test_binding_again(self):
        """A compiled model follows its new binding."""
        model, x = nn.Sequential(tt.Dropout(0.5)), torch.ones(64)
        run, _ = counted(tt.bind(model, 0))
        run(x)
        tt.bind(model, 1)

        assert same(dropped(x, 0.5, seed=1, site="0"), run(x))


class Part(nn.Module):
    """Two layers and whatever `run` does with them."""

    def __init__(self, run):
        super().__init__()
        self.a, self.b, self.run = tt.Dropout(0.5), tt.Dropout(0.5), run

    def forward(self, x):
        """Of both."""
        return self.run(self, x)


class Twice(Block):
    """One dropout layer, used twice."""

    def forward(self, x):
        """Different draws."""
        return self.drop(super().forward(x))
