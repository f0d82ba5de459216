"""`max_norm`: units are pulled back to the ball, all others keep every bit."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import thinned.torch as tt
from thinned.methods.max_norm import projected

LAYERS = {
    "linear": (lambda: nn.Linear(6, 4), (0,), None),
    "conv1d": (lambda: nn.Conv1d(6, 4, 3), (0,), None),
    "conv2d": (lambda: nn.Conv2d(6, 4, 3), (0,), None),
    "conv3d groups": (lambda: nn.Conv3d(6, 4, 2, groups=2), (0,), None),
    "transposed": (lambda: nn.ConvTranspose2d(6, 4, 3), (1,), None),
    "transposed groups": (lambda: nn.ConvTranspose1d(6, 4, 3, groups=2), (0, 2), (2, 3, 2, 3)),
}


def norms(weight, units=(0,)):
    """Of units, in float64."""
    others = [axis for axis in range(weight.dim()) if axis not in units]
    return weight.double().square().sum(others).sqrt().flatten()


@pytest.mark.parametrize("name", LAYERS)
class TestLayers:
    """What comes into a unit, in each of them."""

    def test_units_are_projected(self, name):
        """As the formula says; the bias stays, and the count is that of units outside."""
        make, units, shape = LAYERS[name]
        layer = make()
        bias, before = layer.bias.clone(), layer.weight.detach().clone()
        viewed = before if shape is None else before.view(shape)
        c = float(norms(viewed, units).median())
        expected = torch.from_numpy(projected(viewed.numpy(), c, units)).view_as(before)
        count = tt.max_norm(layer, c)

        torch.testing.assert_close(expected.float(), layer.weight.detach(), rtol=2**-23, atol=0)
        assert torch.equal(bias, layer.bias)
        assert int((norms(viewed, units) > c * (1 + 2**-23)).sum()) == count
        assert 0 < count < norms(viewed, units).numel()

    def test_incoming_weights_are_those_that_a_unit_is_computed_from(self, name):
        """A unit's output does not change where another one is pulled back."""
        make, _, _ = LAYERS[name]
        layer = make()
        x = torch.randn(2, 6, *(5,) * (layer.weight.dim() - 2))
        before = layer(x).detach()
        c = 1.01 * layer.weight.norm().item()  # more than any unit has
        (gradient,) = torch.autograd.grad(layer(x)[:, 0].square().sum(), layer.weight)
        layer.weight.data[gradient != 0] *= 100  # every weight that output channel 0 is computed from
        assert 1 == tt.max_norm(layer, c)
        after = layer(x).detach()

        torch.testing.assert_close(before[:, 1:], after[:, 1:])


class TestBits:
    """What is within the ball does not move."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
    def test_a_second_call_changes_nothing(self, dtype):
        """And counts nothing: rounding does not bring a unit out again."""
        torch.manual_seed(0)
        weight = torch.randn(300, 50).to(dtype)
        for c in (0.1, 1.0, 3.3):
            assert 300 == tt.max_norm(weight, c)
            once = weight.clone()
            assert 0 == tt.max_norm(weight, c)
            assert torch.equal(once, weight)
            assert (norms(weight) <= c * (1 + torch.finfo(dtype).eps)).all()
            weight *= 100

    def test_within(self):
        """Every bit, negative zeros among them."""
        weight = torch.randn(30, 50) / 100
        weight[3] = -0.0
        before = weight.clone().view(torch.int32)

        assert 0 == tt.max_norm(weight, 1.0)
        assert torch.equal(before, weight.view(torch.int32))

    def test_what_is_not_finite(self):
        """Is left for the user to see, and spoils no other unit."""
        weight = torch.ones(3, 4)
        weight[0, 0], weight[1, 0] = torch.inf, torch.nan
        assert 1 == tt.max_norm(weight, 1.0)
        assert torch.equal(torch.tensor([torch.inf, 1, 1, 1]), weight[0])
        assert 3 == (weight[1] == 1).sum()
        assert torch.equal(torch.full((4,), 0.5), weight[2])


class TestCalls:
    """What it is given."""

    def test_a_model_after_a_step(self):
        """All its layers, each weight once, without a gradient."""
        tied = nn.Linear(8, 8)
        model = nn.Sequential(tied, nn.ReLU(), nn.Sequential(tied, nn.Linear(8, 3)), nn.LayerNorm(3))
        optimizer = torch.optim.SGD(model.parameters(), 10.0)
        model(torch.randn(5, 8)).square().sum().backward()
        optimizer.step()
        count = tt.max_norm(model, 0.5)

        assert not count.requires_grad
        assert count <= 11
        for layer in (tied, model[2][1]):
            assert (norms(layer.weight) <= 0.5 * (1 + 2**-23)).all()

    def test_weights(self):
        """One or several, with their axis of units."""
        one, two = torch.randn(4, 6), torch.randn(3, 4)
        assert 10 == tt.max_norm([one, two], 0.1, axis=-1)
        assert (norms(one, (1,)) <= 0.1 * (1 + 2**-23)).all()
        assert 4 == tt.max_norm(one, 0.01)

    def test_compiled(self):
        """The same weights."""
        layer, twin = nn.Linear(6, 4), nn.Linear(6, 4)
        twin.load_state_dict(layer.state_dict())
        tt.max_norm(layer, 0.3)
        torch.compile(lambda: tt.max_norm(twin, 0.3), fullgraph=True, backend="aot_eager")()

        assert torch.equal(layer.weight, twin.weight)

    def test_weights_that_are_computed(self):
        """Are refused: what was written over them would be lost."""
        model = nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 4)))
        with pytest.raises(ValueError, match="that of '0' is computed"):
            tt.max_norm(model, 1.0)

    @pytest.mark.parametrize("of", [nn.ReLU(), []])
    def test_nothing(self, of):
        """Is a mistake."""
        with pytest.raises(ValueError, match="got none"):
            tt.max_norm(of, 1.0)

    def test_a_bias(self):
        """Has no incoming weights."""
        with pytest.raises(ValueError, match="got 1 axes"):
            tt.max_norm(torch.ones(3), 1.0)

    def test_a_wrong_radius(self):
        """Is refused."""
        with pytest.raises(ValueError, match="expected c"):
            tt.max_norm(torch.ones(3, 3), -1.0)

    @pytest.mark.parametrize(
        ("of", "what"), [(torch.ones(2, 2, dtype=torch.int64), "int64"), ([nn.Linear(2, 2)], "Linear")]
    )
    def test_what_is_no_weight(self, of, what):
        """Integers have no ball, several modules come one by one."""
        with pytest.raises(TypeError, match=f"got .*{what}. Call max_norm once for each"):
            tt.max_norm(of, 1.0)
