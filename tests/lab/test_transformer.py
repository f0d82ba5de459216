"""The small Transformer over rows."""

import pytest
import torch

from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration
from thinned.lab.transformer import HEADS, transformer

pytestmark = pytest.mark.long

SMALL = Configuration(model="transformer", hidden=(8, 8), rates=(0.5, 0.5))


def make(seed=0, **changes):
    """A network for images of 4 rows and 3 columns."""
    return transformer((4, 3), 5, SMALL.changed(changes), seed)


class TestTransformer:
    """A function of its configuration and seed."""

    def test_its_weights_are_a_function_of_the_seed(self):
        """Equal seeds, equal weights, whatever torch's generator is at; and that one is not moved."""
        before = torch.get_rng_state()
        first, again, other = make(0), make(0), make(1)

        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
        assert not torch.equal(first.embed.weight, other.embed.weight)
        assert torch.equal(before, torch.get_rng_state())

    def test_matrices_begin_with_one_over_their_inputs(self):
        """So that a sum over the inputs has the variance of one of them; 65,536 draws, within 2 %."""
        weight = make(hidden=(256,), rates=(0.0,)).blocks[0].attention_out.weight

        assert weight.var().item() * 256 == pytest.approx(1, rel=0.04)

    def test_it_has_five_dropouts_at_the_rate(self):
        """Of the embedded rows; in each block of the attention weights, of hidden units, and of what is added."""
        rates = [
            module.p for module in make(rates=(0.25, 0.25)).modules() if isinstance(module, torch.nn.Dropout)
        ]

        assert [0.25] * (1 + 4 * 2) == rates

    def test_rows_have_places(self):
        """The same rows in another order are another image."""
        model = make().eval()
        x = torch.arange(12.0).reshape(1, 12)

        assert not torch.allclose(model(x), model(x.view(1, 4, 3).flip(1).reshape(1, 12)))

    def test_attention_is_torchs_own(self):
        """scaled_dot_product_attention, on the same queries, keys and values."""
        block = make(rates=(0.0, 0.0)).blocks[0]
        x = torch.linspace(-1, 1, 2 * 4 * 8).reshape(2, 4, 8)
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in block.qkv(x).chunk(3, dim=-1))
        mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

        torch.testing.assert_close(block.attend(x), block.attention_out(mixed))

    def test_examples_that_are_no_images_are_refused(self):
        """With what to use instead."""
        with pytest.raises(ConfigurationError, match="expected examples of axes"):
            transformer((12,), 5, SMALL, 0)

    @pytest.mark.parametrize("hidden", [(8, 16), (6, 6)])
    def test_blocks_that_do_not_fit_are_refused(self, hidden):
        """Unequal widths, and widths that four heads do not divide."""
        with pytest.raises(ConfigurationError, match="expected blocks of one width"):
            make(hidden=hidden)
