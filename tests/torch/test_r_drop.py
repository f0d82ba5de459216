"""R-Drop: the loss is the paper's, its passes are draws 0 and 1 of one step."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

import thinned.torch as tt
from thinned.mask import keep
from thinned.methods.r_drop import divergence

SEED = 3


def logits(shape=(6, 5), seed=0, dtype=torch.float64):
    """A pair."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for _ in range(2)]


def classes(shape=(6,), seed=1):
    """Of five."""
    return torch.randint(0, 5, shape, generator=torch.Generator().manual_seed(seed))


class TestLoss:
    """`r_drop_loss`."""

    @pytest.mark.parametrize(("shape", "targets"), [((6, 5), (6,)), ((6, 5, 3, 2), (6, 3, 2)), ((5,), ())])
    def test_is_the_papers(self, shape, targets):
        """Two losses, and the mean of the divergence over batch and positions."""
        first, second = logits(shape)
        y = classes(targets)
        apart = divergence(
            first.detach().numpy(), second.detach().numpy(), axis=min(len(shape) - 1, 1)
        ).mean()
        expected = F.cross_entropy(first, y) + F.cross_entropy(second, y) + 2.5 * apart

        torch.testing.assert_close(expected, tt.r_drop_loss(first, second, y, 2.5))

    def test_equals_pytorchs_divergence(self):
        """Its batchmean; its mean would divide by the classes too."""
        first, second = logits()
        p, q = first.log_softmax(1), second.log_softmax(1)
        apart = F.kl_div(p, q, reduction="batchmean", log_target=True)
        apart = (apart + F.kl_div(q, p, reduction="batchmean", log_target=True)) / 2
        y = classes()
        expected = F.cross_entropy(first, y) + F.cross_entropy(second, y) + apart

        torch.testing.assert_close(expected, tt.r_drop_loss(first, second, y))

    def test_gradient(self):
        """Of both predictions, by finite differences."""
        y = classes()
        assert torch.autograd.gradcheck(lambda a, b: tt.r_drop_loss(a, b, y, 3.0), logits())

    def test_symmetric(self):
        """The order of draws does not matter."""
        first, second = logits()
        torch.testing.assert_close(
            tt.r_drop_loss(first, second, classes()), tt.r_drop_loss(second, first, classes())
        )

    def test_equal_predictions(self):
        """Are not apart."""
        first, _ = logits()
        assert torch.equal(
            2 * F.cross_entropy(first, classes()), tt.r_drop_loss(first, first, classes(), 9.0)
        )

    def test_predictions_that_are_sure(self):
        """And wrong: finite, with finite gradients."""
        first, second = (torch.tensor([[a, -a]], requires_grad=True) for a in (500.0, -500.0))
        loss = tt.r_drop_loss(first, second, torch.tensor([0]), 1.0)
        loss.backward()

        assert 1000 + 1000 == loss
        assert first.grad.isfinite().all()
        assert second.grad.isfinite().all()

    def test_excluded_classes(self):
        """A logit of -inf in both adds nothing."""
        first, second = logits()
        y = classes() % 4
        cut = [x.detach()[:, :4] for x in (first, second)]
        wide = [F.pad(x, (0, 1), value=-torch.inf).requires_grad_() for x in cut]
        loss = tt.r_drop_loss(*wide, y, 2.0)
        loss.backward()

        torch.testing.assert_close(tt.r_drop_loss(*cut, y, 2.0), loss)
        assert all(x.grad.isfinite().all() for x in wide)

    def test_ignored_positions(self):
        """Count in no mean."""
        first, second = logits((6, 5, 4))
        y = classes((6, 4))
        y[:, 2:] = -100
        expected = tt.r_drop_loss(first[:, :, :2], second[:, :, :2], y[:, :2], 2.0)

        torch.testing.assert_close(expected, tt.r_drop_loss(first, second, y, 2.0))

    def test_probabilities_as_targets(self):
        """As `F.cross_entropy` takes them."""
        first, second = logits()
        hard, soft = classes(), F.one_hot(classes(), 5).double()
        torch.testing.assert_close(
            tt.r_drop_loss(first, second, hard, 2.0), tt.r_drop_loss(first, second, soft, 2.0)
        )

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_types(self, dtype):
        """The divergence is computed in float32."""
        first, second = logits(dtype=dtype)
        y = classes()
        apart = divergence(first.detach().float().numpy(), second.detach().float().numpy()).mean()
        both = F.cross_entropy(first, y) + F.cross_entropy(second, y)
        found = tt.r_drop_loss(first, second, y, 1.0, loss=lambda x, _: 0 * x.sum())

        assert both.isfinite()
        torch.testing.assert_close(torch.tensor(apart, dtype=torch.float32), found)

    @pytest.mark.parametrize("shapes", [((6, 5), (6, 4)), ((), ())])
    def test_wrong_shapes(self, shapes):
        """Say both."""
        with pytest.raises(ValueError, match="expected two tensors of logits"):
            tt.r_drop_loss(torch.zeros(shapes[0]), torch.zeros(shapes[1]), classes())

    def test_what_is_no_tensor(self):
        """Says where the logits are."""
        with pytest.raises(TypeError, match=r"got dict\. Wrap the model .* \.logits"):
            tt.r_drop_loss({"logits": torch.zeros(2, 3)}, torch.zeros(2, 3), torch.tensor([0, 1]))

    def test_a_wrong_weight(self):
        """Is refused."""
        with pytest.raises(ValueError, match="alpha"):
            tt.r_drop_loss(*logits(), classes(), -1.0)


def model(p=0.5):
    """The same weights each time."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 16), tt.Dropout(p), nn.Tanh(), nn.Linear(16, 5))


def by_hand(net, x, y, step, alpha=2.0):
    """With masks from NumPy."""
    found = []
    for draw in (0, 1):
        h = net[0](x)
        k = torch.from_numpy(keep(tuple(h.shape), 0.5, seed=SEED, site="1", step=step, draw=draw))
        found.append(net[3](torch.tanh(torch.where(k, 2 * h, 0))))
    return tt.r_drop_loss(*found, y, alpha)


class TestStep:
    """`r_drop` of a model."""

    @pytest.mark.parametrize("how", ["eager", "compiled", "compiled model", "checkpointed"])
    def test_passes_are_draws_of_one_step(self, how):
        """Loss and gradients, for some steps; each takes one."""
        net, y = tt.bind(model(), SEED), classes()
        counter = CompileCounterWithBackend("aot_eager")
        twin = copy.deepcopy(net)
        inner = torch.compile(net, fullgraph=True, backend=counter) if how == "compiled model" else net
        run = lambda x: tt.r_drop(inner, x, y, 2.0)  # noqa: E731
        if how == "compiled":
            run = torch.compile(run, fullgraph=True, backend=counter)
        if how == "checkpointed":
            forward = net[0].forward
            net.forward = lambda x: checkpoint(
                lambda v: net[3](net[2](net[1](forward(v)))), x, use_reentrant=False, preserve_rng_state=False
            )
        for step in range(3):
            x = torch.randn(6, 8)
            expected, actual = by_hand(twin, x, y, step), run(x)
            torch.testing.assert_close(expected, actual)
            for one, other in zip(
                torch.autograd.grad(expected, list(twin.parameters())),
                torch.autograd.grad(actual, list(net.parameters())),
                strict=True,
            ):
                torch.testing.assert_close(one, other)
        assert 3 == net.thinned.step
        assert counter.frame_count == (1 if "compiled" in how else 0)

    def test_a_free_model(self):
        """Draws afresh in each pass, from PyTorch's generator."""
        net, x, y = model(), torch.randn(6, 8), classes()
        torch.manual_seed(5)
        first, second = net(x), net(x)
        torch.manual_seed(5)

        assert not torch.equal(first, second)
        assert torch.equal(tt.r_drop_loss(first, second, y), tt.r_drop(net, x, y))

    def test_evaluation(self):
        """Draws nothing and takes no step: twice the loss."""
        net, x, y = tt.bind(model(), SEED).eval(), torch.randn(6, 8), classes()

        torch.testing.assert_close(2 * F.cross_entropy(net(x), y), tt.r_drop(net, x, y))
        assert 0 == net.thinned.step

    def test_several_inputs(self):
        """A tuple holds them."""

        class Sum(nn.Module):
            def forward(self, a, b):
                return a + b

        x, y = torch.randn(6, 5), classes()
        assert torch.equal(2 * F.cross_entropy(x + x, y), tt.r_drop(Sum(), (x, x), y))

    def test_trains(self):
        """The divergence falls as training goes on."""
        net, x, y = tt.bind(model(0.3), SEED), torch.randn(32, 8), classes((32,))
        optimizer = torch.optim.Adam(net.parameters(), 0.02)
        losses = []
        for _ in range(60):
            loss = tt.r_drop(net, x, y, 1.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
