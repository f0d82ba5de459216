"""Layers of many networks at once: each network's draws are those that it has alone."""

import pytest
import torch

import thinned.torch
from thinned import mask
from thinned.methods import alpha, gaussian_dropout, gaussian_noise, uniform_dropout
from thinned.methods.law import THIN
from thinned.torch._law import apply
from thinned.torch._stack import Masks, relu_dropout
from thinned.torch._stack_draws import perturbation

SEEDS, RATES = (5, 2**64 - 1, 2**63, 0), (0.0, 0.5, 0.3, 1.0)
SITE, STEP = 2**32 - 5, 2**31 + 3
CPU = torch.device("cpu")


def keeps(shape):
    """The truth for each network."""
    return torch.stack(
        [
            torch.from_numpy(mask.keep(shape, rate, seed=seed, site=SITE, step=STEP, draw=2))
            for seed, rate in zip(SEEDS, RATES, strict=True)
        ]
    )


class TestReluDropout:
    """Forward and backward."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("biased", [False, True])
    def test_it_keeps_what_the_law_keeps(self, dtype, biased):
        """Bit for bit, and so does the gradient, from the output alone."""
        z = torch.randn(4, 7, 9, dtype=dtype, requires_grad=True)
        bias = torch.randn(4, 9, dtype=dtype, requires_grad=True) if biased else None
        masks = Masks.of(SITE, SEEDS, RATES, CPU, dtype)
        y = relu_dropout(z, masks, STEP, bias, draw=2)
        before = z if bias is None else z + bias[:, None]
        on, scales = keeps((7, 9)) & (before > 0), masks.scales[:, None, None]
        upstream = torch.randn_like(y)
        y.backward(upstream)

        assert torch.equal(y, torch.where(on, before * scales, 0))
        assert torch.equal(z.grad, torch.where(on, upstream * scales, 0))
        assert bias is None or torch.equal(bias.grad, z.grad.sum(1))

    def test_where_nothing_is_dropped_it_is_a_relu(self):
        """No draw is made."""
        z = torch.randn(2, 3, 4)
        masks = Masks.of(SITE, (1, 2), (0.0, 0.0), CPU, torch.float32)

        assert not masks.draws
        assert torch.equal(torch.relu(z), relu_dropout(z, masks, STEP))


class TestPerturbation:
    """Every other law, as a factor and a term."""

    @pytest.mark.parametrize(
        "law",
        [THIN, alpha.LAW, gaussian_dropout.LAW, uniform_dropout.LAW, gaussian_noise.LAW],
        ids=lambda law: law.name,
    )
    def test_each_network_has_what_it_has_alone(self, law):
        """The layer's own bits, at strengths 0 and 1 too; and the gradient of autograd's product."""
        x = torch.randn(4, 6, 8)
        found = perturbation(law, SITE, SEEDS, RATES, CPU, torch.float32)(x, STEP, 2)

        for n, (seed, rate) in enumerate(zip(SEEDS, RATES, strict=True)):
            alone = apply(x[n], law, rate, (seed, SITE, STEP, 2), (), None)
            assert torch.equal(found[n] + 0.0, alone + 0.0)  # a dropped -1 is -0 where it is multiplied

    def test_channels_share_a_draw(self):
        """Four positions each, as `Dropout1d` has them."""
        x = torch.ones(4, 3, 8)
        found = perturbation(THIN, SITE, SEEDS, RATES, CPU, torch.float32, spread=4)(x, STEP)
        alone = thinned.torch.dropout(
            x[1].unflatten(1, (2, 4)), 0.5, seed=SEEDS[1], site=SITE, step=STEP, share=2
        )

        assert torch.equal(found[1], alone.flatten(1))

    def test_a_batch_shares_a_draw(self):
        """One thinned network for all rows, as `BatchDropout` has it."""
        x = torch.ones(4, 3, 8)
        found = perturbation(THIN, SITE, SEEDS, RATES, CPU, torch.float32, batchwise=True)(x, STEP)
        alone = thinned.torch.dropout(x[1], 0.5, seed=SEEDS[1], site=SITE, step=STEP, share=0)

        assert torch.equal(found[1], alone)

    def test_a_layer_that_no_network_has_is_none(self):
        """All rates 0."""
        assert perturbation(THIN, SITE, SEEDS, (0.0,) * 4, CPU, torch.float32) is None
