"""The GPU kernel: the CPU kernel's bits. Without a GPU, Triton's interpreter runs it; `make test-gpu`.

The interpreter rounds bfloat16 towards zero, so bfloat16 is met there with products that need no rounding.
"""

import os

import pytest
import torch

HAS_GPU = torch.cuda.is_available()
if not HAS_GPU:
    os.environ["TRITON_INTERPRET"] = "1"

pytest.importorskip("triton")

from thinned import mask  # noqa: E402
from thinned.kernels import gpu  # noqa: E402
from thinned.mask.rate import scale, threshold  # noqa: E402
from thinned.methods.dropout import plan  # noqa: E402
from thinned.methods.law import HALF, NORMAL, UNIFORM  # noqa: E402
from thinned.torch import _gpu, _kernel  # noqa: E402

DEVICE = torch.device("cuda" if HAS_GPU else "cpu")
ADDRESSES = [(0, 0, 0, 0), (2**64 - 1, 2**32 - 1, 2**32 - 1, 2**16 - 1), (1, 2**31, 2**31 - 1, 3)]
SEEDS, RATES = (5, -1, 2**62), (0.0, 0.5, 0.3)


def values(shape, dtype):
    """Numbers with a NaN, and small integers where products must not round."""
    x = torch.randint(-4, 5, shape).to(dtype) if dtype == torch.bfloat16 else torch.randn(shape).to(dtype)
    x.view(-1)[0] = float("nan")
    return x


def same(found, expected):
    """Equal bits, for values that may be NaN."""
    return torch.equal(found.cpu().nan_to_num(7), expected.nan_to_num(7))


@pytest.mark.parametrize("at", ADDRESSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("op", [gpu.DROP, gpu.RELU, gpu.ADD])
class TestThin:
    """One address."""

    @pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
    def test_consecutive_elements(self, op, dtype, at, rate):
        """Of more than one program, the last one cut."""
        x, r, how = values((5, 700), dtype), values((5, 700), dtype), plan((5, 700), rate)
        expected = _kernel.thin(op, x, _kernel.ready(x, how), at, r if op == gpu.ADD else None)
        y = torch.empty_like(x, device=DEVICE)
        _gpu.thin(op, x.to(DEVICE), y, how, at, r.to(DEVICE))

        assert same(y, expected)

    @pytest.mark.parametrize(
        ("shape", "share", "window"),
        [
            ((3, 40, 4), (1,), None),
            ((6, 3, 8), (2,), None),
            ((4, 9), (), ((100, 9), ([3, 50, 2, 99], 0))),
            ((5, 16), (), ((2**40, 16), (2**39, 0))),
        ],
    )
    def test_any_layout(self, op, dtype, at, shape, share, window):
        """Shared axes, chosen rows, elements beyond 2^32."""
        x, r, how = values(shape, dtype), values(shape, dtype), plan(shape, 0.5, share, window)
        expected = _kernel.thin(op, x, _kernel.ready(x, how), at, r if op == gpu.ADD else None)
        y = torch.empty_like(x, device=DEVICE)
        _gpu.thin(op, x.to(DEVICE), y, how, at, r.to(DEVICE))

        assert same(y, expected)


class TestStack:
    """Many networks."""

    @pytest.mark.parametrize("biased", [False, True])
    def test_each_network_has_its_own_masks(self, biased):
        """Forward, and the gradient from the output."""
        site, step = 2**32 - 5, 2**31 + 3
        z, bias = torch.randn(3, 10, 37), torch.randn(3, 37)
        levels = [threshold(rate) for rate in RATES]
        scales = torch.tensor([scale(level) for level in levels], dtype=torch.float32, device=DEVICE)
        tables = (
            torch.tensor(SEEDS, device=DEVICE),
            torch.tensor(levels, dtype=torch.int32, device=DEVICE),
            scales,
        )
        y = torch.empty_like(z, device=DEVICE)
        given = bias.to(DEVICE) if biased else None
        gpu.thin_stack(z.to(DEVICE), given, y, *tables, (3, 10, 37), site, step, 7, draws=True)
        before = z + bias[:, None] if biased else z
        on = torch.stack(
            [
                torch.from_numpy(mask.keep((10, 37), rate, seed=seed, site=site, step=step, draw=7))
                for seed, rate in zip(SEEDS, RATES, strict=True)
            ]
        )
        expected = torch.where(on & (before > 0), before * scales.cpu()[:, None, None], 0)
        g, result = torch.randn_like(z), torch.empty_like(z, device=DEVICE)
        gpu.relu_gradient_stack(g.to(DEVICE), y, result, scales, (3, 10, 37))

        assert torch.equal(expected, y.cpu())
        assert torch.equal(torch.where(expected > 0, g * scales.cpu()[:, None, None], 0), result.cpu())

    @pytest.mark.parametrize("kind", [HALF, UNIFORM, NORMAL])
    def test_draws_are_the_laws(self, kind):
        """Bits for masks and uniforms; normals within 2^-20 of their radius, and two roundings to float32."""
        levels = torch.tensor([threshold(rate) for rate in RATES], dtype=torch.int32, device=DEVICE)
        first, second = (
            torch.tensor([2.0, 0.5, 1.0], device=DEVICE),
            torch.tensor([0.0, 1.0, -0.0], device=DEVICE),
        )
        y = torch.empty(3, 1001, device=DEVICE)
        gpu.write_stack(y, torch.tensor(SEEDS, device=DEVICE), levels, first, second, 1001, 3, 9, 4, 1, kind)

        for n, (seed, rate) in enumerate(zip(SEEDS, RATES, strict=True)):
            a, b = first[n].cpu(), second[n].cpu()
            where = {"seed": seed, "site": 9, "step": 4, "draw": 1}
            if kind == HALF:
                expected = torch.where(torch.from_numpy(mask.keep((1001,), rate, **where)), a, b)
            elif kind == UNIFORM:
                expected = b + a * torch.from_numpy(2 * mask.uniform((1001,), **where) - 1).float()
            else:
                expected = b + a * torch.from_numpy(mask.normal((1001,), **where)).float()
            reach = 7 * a * (2**-20 + 2**-22) if kind == NORMAL else 0.0
            assert (y[n].cpu() - expected).abs().max() <= reach
