"""`concrete_dropout`: a relaxed mask at an address, and what its gradients keep."""

import pytest
import torch

import thinned.torch as tt
from tests.torch.truth import DTYPES, WHERE, name, relaxed_factors
from thinned.errors import RateError


class TestFunction:
    """`concrete_dropout`, at an address."""

    @pytest.mark.parametrize("shape", [(4, 5, 6), (70_000,), (0, 3)], ids=str)
    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    def test_factors_are_those_of_the_laws_uniforms(self, shape, dtype):
        """Computed in float64; then rounded to float32, multiplied, and rounded once."""
        x = torch.randn(shape, dtype=torch.float64).to(dtype)
        exact = torch.float64 if dtype == torch.float64 else torch.float32
        expected = (x.to(exact) * relaxed_factors(shape, 0.3, **WHERE).to(exact)).to(dtype)
        found = tt.concrete_dropout(x, 0.3, **WHERE)

        # Two libraries' exponents, at most 2^8, may differ by some roundings, and so a rounding to float32 by one.
        relative = 2 * torch.finfo(dtype).eps + 2**10 * torch.finfo(torch.float64).eps
        assert torch.allclose(expected.double(), found.double(), rtol=relative, atol=torch.finfo(dtype).tiny)
        assert dtype == found.dtype

    def test_sharing_and_windows(self):
        """As everywhere: a part has the factors that it has in the whole, bit for bit, by table or without."""
        x = torch.randn(300, 400)
        whole = tt.concrete_dropout(x, 0.3, **WHERE)
        part = tt.concrete_dropout(x[7:9], 0.3, **WHERE, window=((300, 400), (7, 0)))
        shared = tt.concrete_dropout(torch.ones(3, 4, 5), 0.3, **WHERE, share=(1,))

        assert torch.equal(whole[7:9], part)
        assert torch.allclose(
            relaxed_factors((3, 4, 5), 0.3, share=(1,), **WHERE).float().expand(3, 4, 5), shared
        )

    @pytest.mark.parametrize("share", [(), (1,)], ids=str)
    def test_gradients(self, share):
        """Of input and rate, first and second, against finite differences."""
        x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
        p = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

        def f(x, p):
            return tt.concrete_dropout(x, p, **WHERE, share=share, temperature=0.5)

        assert torch.autograd.gradcheck(f, (x, p))
        assert torch.autograd.gradgradcheck(f, (x, p))

    def test_gradient_of_a_large_tensor(self):
        """By the table: the input's is its factor, the rate's the sum of what each element says."""
        x, p = torch.randn(70_000, requires_grad=True), torch.tensor(0.3, requires_grad=True)
        tt.concrete_dropout(x, p, **WHERE).sum().backward()
        twin, q = (leaf.detach().double().requires_grad_() for leaf in (x, p))
        parts = [
            tt.concrete_dropout(twin[at : at + 7000], q, **WHERE, window=((70_000,), (at,)))
            for at in range(0, 70_000, 7000)
        ]
        torch.cat(parts).sum().backward()

        assert torch.allclose(twin.grad.float(), x.grad, rtol=1e-6)
        assert torch.allclose(q.grad.float(), p.grad, rtol=1e-4)

    def test_nothing_is_kept_but_input_rate_and_address(self):
        """Not a tensor of the mask's size beside `x` itself."""
        kept = []
        x, p = torch.randn(100, 100, requires_grad=True), torch.tensor(0.3, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            tt.concrete_dropout(x, p, **WHERE)

        assert [x.data_ptr()] == [tensor.data_ptr() for tensor in kept if tensor.numel() > 10]

    def test_transformations(self):
        """`torch.func`: the same derivatives, and one mask for all lanes."""
        x, p = torch.randn(3, 5, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)

        def f(x, p):
            return tt.concrete_dropout(x, p, **WHERE)

        expected = torch.autograd.functional.jacobian(lambda p: f(x, p), p)
        assert torch.allclose(expected, torch.func.jacrev(f, argnums=1)(x, p))
        assert torch.allclose(expected, torch.func.jacfwd(f, argnums=1)(x, p))
        assert torch.allclose(
            torch.stack([f(x, p)] * 2), torch.func.vmap(lambda x: f(x, p))(torch.stack([x] * 2))
        )

    @pytest.mark.parametrize("p", [0.0, 1.0, -1, torch.tensor([0.1, 0.2]), torch.tensor(1)], ids=str)
    def test_wrong_rates(self, p):
        """Neither certainty, nor several."""
        with pytest.raises(RateError, match="expected a rate"):
            tt.concrete_dropout(torch.ones(3), p, seed=0)

    def test_wrong_temperature(self):
        """Above 0."""
        with pytest.raises(RateError, match="expected a temperature as a finite number above 0; got 0"):
            tt.concrete_dropout(torch.ones(3), 0.5, seed=0, temperature=0)
