"""Writing where one is told."""

import pytest
import torch

from thinned.torch import dropout


class TestOut:
    """`dropout(out=...)`."""

    def test_is_written(self):
        """Another tensor, a strided one, an overlapping one, or the input itself."""
        x = torch.arange(24.0).reshape(4, 6)
        whole = dropout(x, 0.5, seed=3)
        memory = torch.cat([torch.zeros(1), x.flatten()])
        shifted = memory[1:].view(4, 6)

        for source, out in [
            (x, torch.empty(4, 6)),
            (x, torch.empty(6, 4).T),
            (shifted, memory[:-1].view(4, 6)),
            (own := x.clone(), own),
        ]:
            assert dropout(source, 0.5, seed=3, out=out) is out
            assert torch.equal(whole, out)

    def test_carries_no_gradient(self):
        """As PyTorch's own functions refuse it."""
        with pytest.raises(RuntimeError, match=r"torch\.no_grad"):
            dropout(torch.ones(3, requires_grad=True), 0.5, seed=0, out=torch.empty(3))

    def test_must_be_like_the_input(self):
        """Shape, dtype and device are said, both of them."""
        with pytest.raises(
            ValueError, match=r"float32 of shape \(3,\) on cpu; got torch.float64 of shape \(2,\)"
        ):
            dropout(torch.ones(3), 0.5, seed=0, out=torch.empty(2, dtype=torch.float64))
