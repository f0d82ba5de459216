"""Stochastic depth: a dropped branch is not run, and nobody notices."""

import copy

import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.torch.truth import DTYPES, name, odd_values, same
from thinned.mask import keep

SEED, STEPS = 3, 12


class Counted(nn.Module):
    """A branch that counts its calls; `other` is read too, if it is given."""

    def __init__(self, width=4, out=None):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(width, out or width)
        self.calls = 0

    def forward(self, x, other=None):
        """Linear."""
        self.calls += 1
        return self.linear(x) if other is None else self.linear(x) + other


def bound(branch, p=0.5, shortcut=None, batch=None):
    """A model of one block, whose site is `0`."""
    return tt.bind(nn.Sequential(tt.StochasticDepth(branch, p, shortcut)), SEED, batch=batch)


def kept(steps=STEPS, p=0.5, site="0"):
    """The law's, one element a step."""
    return [bool(keep((1,), p, seed=SEED, site=site, step=step)[0]) for step in range(steps)]


class Masked(nn.Module):
    """The same by the obvious expression, in which every branch is run."""

    def __init__(self, branch, site="0", p=0.5):
        super().__init__()
        self.branch, self.site, self.p, self.step = branch, site, p, 0

    def forward(self, x):
        """One step."""
        y = x + self.branch(x) * kept(self.step + 1, self.p, self.site)[-1] / (1 - self.p)
        self.step += 1
        return y


class TestRunning:
    """What runs."""

    def test_is_what_the_law_keeps(self):
        """The branch is called in just those steps."""
        branch = Counted()
        model, calls = bound(branch), []
        for _ in range(STEPS):
            before = branch.calls
            model(torch.ones(2, 4))
            calls.append(branch.calls > before)

        assert kept() == calls
        assert {True, False} == set(calls)

    def test_evaluation(self):
        """Shortcut and branch, unscaled."""
        branch, x = Counted(), torch.randn(2, 4)

        assert torch.equal(x + branch(x), bound(branch).eval()(x))

    @pytest.mark.parametrize(("p", "expected"), [(0, 5), (1, 0)])
    def test_certainties(self, p, expected):
        """Rate 0 runs all, rate 1 nothing; gradients are finite."""
        branch = Counted()
        model, x = bound(branch, p), torch.randn(2, 4, requires_grad=True)
        for _ in range(5):
            y = model(x)
        y.sum().backward()

        assert expected == branch.calls
        assert torch.equal(y, x if p else x + branch(x))
        assert all(leaf.grad.isfinite().all() for leaf in (x, *model.parameters()))

    def test_does_not_depend_on_the_batch(self):
        """All ranks drop the same branches, whatever rows they hold."""
        runs = []
        for batch in (None, (0, 64, 0), (0, 64, 32)):
            branch = Counted()
            model = bound(branch, batch=batch)
            runs.append([model(torch.ones(2, 4)) is not None and branch.calls for _ in range(STEPS)])

        assert runs[0] == runs[1] == runs[2]

    def test_a_free_block(self):
        """Obeys `torch.manual_seed`."""
        counts = []
        for seed in (0, 0, 1, 2, 3):
            branch = Counted()
            block = tt.StochasticDepth(branch, 0.5)
            torch.manual_seed(seed)
            counts.append([block(torch.ones(1, 4)) is not None and branch.calls for _ in range(STEPS)])

        assert counts[0] == counts[1]
        assert any(count != counts[0] for count in counts)


class TestTraining:
    """Training is that of the masked network."""

    @pytest.mark.parametrize("optimiser", [torch.optim.AdamW, torch.optim.SGD], ids=lambda o: o.__name__)
    def test_weights(self, optimiser):
        """After some steps of an optimiser with memory and decay, which a missing gradient would stop."""
        found = []
        for make in (lambda b: bound(b)[0], Masked):
            block = make(Counted())
            model = bound(Counted()) if make is not Masked else block
            more = {"momentum": 0.9} if optimiser is torch.optim.SGD else {}
            steps = optimiser(model.parameters(), lr=0.1, weight_decay=0.1, **more)
            for step in range(STEPS):
                x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
                steps.zero_grad()
                model(x).square().mean().backward()
                steps.step()
            found.append([parameter.detach() for parameter in model.parameters()])

        torch.testing.assert_close(*found)

    def test_gradients_add_up(self):
        """Over micro-batches, whether a branch ran in them or not; where it never did they are 0."""
        model = bound(Counted())
        for step, runs in enumerate(kept()):
            before = [
                p.grad.clone() if p.grad is not None else torch.zeros_like(p) for p in model.parameters()
            ]
            model(torch.ones(2, 4)).sum().backward()
            moved = [not torch.equal(b, p.grad) for b, p in zip(before, model.parameters(), strict=True)]
            assert [runs] * 2 == moved, step

    def test_everything_that_a_branch_reads_has_a_gradient(self):
        """Another input of a dropped branch too; what needs none gets none."""
        model = bound(Counted(), p=1.0)
        model[0].branch.linear.bias.requires_grad_(False)
        x, other = torch.ones(2, 4, requires_grad=True), torch.ones(2, 4, requires_grad=True)
        tt.bind(model[0], SEED)(x, other=other).sum().backward()

        assert not other.grad.any()
        assert x.grad.all()
        assert not model[0].branch.linear.weight.grad.any()
        assert model[0].branch.linear.bias.grad is None

    def test_what_follows_may_write_over_it(self):
        """As it may where the branch has run, and the input stays."""
        x = torch.full((2, 4), -1.0)
        y = bound(Counted(), p=1.0)(x.requires_grad_())
        y.relu_().sum().backward()

        assert not y.any()
        assert (x == -1).all()
        assert not x.grad.any()

    def test_twice_differentiable(self):
        """A dropped branch's second derivatives are those of the shortcut."""
        x = torch.randn(2, 4, requires_grad=True)
        y = bound(Counted(), p=1.0)(x)
        (first,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)

        torch.testing.assert_close(6 * x, second)

    def test_without_gradients(self):
        """Under `no_grad` and frozen, nothing is recorded."""
        with torch.no_grad():
            assert not bound(Counted(), p=1.0)(torch.ones(2, 4)).requires_grad
        assert not bound(Counted().requires_grad_(False), p=1.0)(torch.ones(2, 4)).requires_grad


class TestTransformations:
    """Where Python cannot know, the branch is run and masked: the same numbers."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    def test_compiled(self, dtype):
        """Bit for bit, with NaNs and signed zeros, in kept and dropped steps; the branch is in the graph."""
        plain, model = bound(nn.Hardtanh()), bound(nn.Hardtanh())
        run = torch.compile(model, fullgraph=True, backend="aot_eager")
        for step in range(6):
            one, two = (odd_values((64,), dtype, step).requires_grad_() for _ in range(2))
            y, z = plain(one), run(two)
            y.backward(torch.ones_like(y))
            z.backward(torch.ones_like(z))
            assert same(y, z)
            assert same(one.grad, two.grad)

    def test_jvp_and_grad(self):
        """Forward mode and `torch.func`."""
        x = torch.randn(3, 4)
        for p, factor in ((0.0, 2.0), (1.0, 1.0)):
            model = bound(nn.Identity(), p)
            with torch.autograd.forward_ad.dual_level():
                dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
                tangent = torch.autograd.forward_ad.unpack_dual(model(dual)).tangent
            assert torch.equal(torch.full_like(x, factor), tangent)
            gradient = torch.func.grad(lambda v, m=model: m(v).sum())(x)
            assert torch.equal(torch.full_like(x, factor), gradient)

    def test_vmap(self):
        """One draw for all lanes."""
        model = bound(nn.Identity())
        lanes = [torch.func.vmap(model)(torch.ones(5, 4)) for _ in range(STEPS)]

        assert kept() == [bool((lane == 3).all()) for lane in lanes]
        assert all(len(lane.unique()) == 1 for lane in lanes)


class TestBranch:
    """Branches and shortcuts."""

    def test_a_shortcut(self):
        """Is all there is where the branch is dropped."""
        shortcut, x = nn.Linear(4, 6), torch.randn(2, 4)
        model = bound(Counted(4, 6), 1.0, shortcut)

        assert torch.equal(shortcut(x), model(x))
        model(x).sum().backward()
        assert shortcut.weight.grad.any()

    def test_the_type_is_the_shortcuts(self):
        """Under autocast too, in kept and in dropped steps and in evaluation."""
        model, found = bound(Counted()), set()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for _ in range(STEPS):
                found.add(model(torch.ones(2, 4)).dtype)
            found.add(model.eval()(torch.ones(2, 4)).dtype)

        assert {torch.float32} == found

    def test_a_wider_branch(self):
        """Does not widen the output in those steps alone in which it runs."""

        class Wide(nn.Module):
            """As normalisation is under autocast."""

            def forward(self, x):
                """Float32."""
                return x.float()

        model = bound(Wide())

        assert {torch.bfloat16} == {model(torch.ones(2, dtype=torch.bfloat16)).dtype for _ in range(STEPS)}

    @pytest.mark.parametrize("training", [False, True])
    def test_another_shape(self, training):
        """Is refused in evaluation as well, and not broadcast."""
        with pytest.raises(ValueError, match=r"shape \(2, 4\); got \(2, 1\) from Counted. Give a shortcut"):
            tt.StochasticDepth(Counted(4, 1), 2**-16).train(training)(torch.ones(2, 4))

    def test_several_results(self):
        """Say what came."""
        with pytest.raises(TypeError, match="one tensor; got tuple from LSTM"):
            tt.StochasticDepth(nn.LSTM(4, 4), 0.0)(torch.ones(2, 4))

    def test_blocks_in_blocks(self):
        """Each decides by its own address; parameters of both have gradients in every step."""
        block = tt.StochasticDepth(nn.Sequential(Counted(), tt.StochasticDepth(Counted(), 0.5)), 0.5)
        model = tt.bind(nn.Sequential(block), SEED)
        inner = model[0].branch[1].branch
        for step in range(STEPS):
            before = inner.calls
            model.zero_grad()
            model(torch.ones(2, 4)).sum().backward()
            both = kept()[step] and kept(site="0.branch.1")[step]
            assert both == (inner.calls > before)
            assert all(parameter.grad is not None for parameter in model.parameters())

    def test_a_copy(self):
        """Has a branch of its own."""
        block = tt.StochasticDepth(Counted(), 0.5)

        assert copy.deepcopy(block).branch is not block.branch

    @pytest.mark.parametrize("at", [0, 1], ids=["branch", "shortcut"])
    def test_what_is_no_module(self, at):
        """Refused where it is given."""
        given = [nn.Identity(), nn.Identity()]
        given[at] = torch.relu
        with pytest.raises(TypeError, match="that are modules"):
            tt.StochasticDepth(given[0], 0.5, given[1])
