"""Submatrices for products, and gradients back in their places."""

import pytest
import torch

from thinned.torch._submatrix import submatrices

I = torch.tensor  # noqa: E741


CHOICES = {
    "rows": [(I([2, 0]), None)],
    "columns": [(None, I([1, 3]))],
    "both": [(I([0, 2]), I([3, 0, 1]))],
    "two": [(I([0, 2]), I([3, 0])), (I([2]), I([0, 1, 2]))],
    "rows of two": [(I([0, 2]), None), (I([2, 1]), None)],
    "columns of two": [(None, I([0, 2])), (None, I([2, 1]))],
    "all": [(None, None), (None, None)],
    "none": [(I([], dtype=torch.int64), I([1]))],
}
SHAPES = {"matrix": (3, 4), "blocks": (3, 4, 2), "kernel": (3, 4, 2, 3)}


def plain(weight, choices):
    """By indexing."""
    everything = slice(None)
    for rows, columns in choices:
        part = weight[everything if rows is None else rows]
        yield part[:, everything if columns is None else columns]


@pytest.mark.parametrize("choices", CHOICES.values(), ids=list(CHOICES))
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
class TestSubmatrices:
    """`submatrices`."""

    def test_are_those_of_indexing(self, shape, choices):
        """Values and gradients, bit for bit: integers add exactly."""
        weight = torch.arange(float(torch.Size(shape).numel())).view(shape)
        one, two = (weight.clone().requires_grad_() for _ in range(2))
        found, expected = submatrices(one, choices), list(plain(two, choices))
        assert all(map(torch.equal, expected, found))

        factors = [torch.randint(-9, 9, part.shape).float() for part in found]
        for parts in (found, expected):
            sum((part * factor).sum() for part, factor in zip(parts, factors, strict=True)).backward()
        assert torch.equal(two.grad, one.grad)

    def test_derivatives(self, shape, choices):
        """First and second, against differences."""
        weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        function = lambda w: tuple(part**2 for part in submatrices(w, choices))  # noqa: E731

        assert torch.autograd.gradcheck(function, weight)
        assert torch.autograd.gradgradcheck(function, weight)


def test_a_part_without_gradient():
    """Of two parts one is used."""
    weight = torch.randn(3, 4, requires_grad=True)
    used, _ = submatrices(weight, CHOICES["two"])
    used.sum().backward()

    assert [[1, 0, 0, 1], [0] * 4, [1, 0, 0, 1]] == weight.grad.tolist()
