"""`torch.ops.thinned`: registered operators, as PyTorch wants them."""

import pytest
import torch

import thinned.torch as tt
from tests.torch.truth import DTYPES, WHERE, name, odd_values, same
from thinned.errors import WindowError

TICKET = torch.tensor([1, 2, 3, 4, 30_000])
LAYOUTS = {
    "whole": (TICKET, [], [], [], []),
    "shared": (TICKET, [1], [], [], []),
    "start": (TICKET, [], [8, 5], [4, 0], []),
    "ids": (torch.cat([TICKET, torch.tensor([7, 0, 3])]), [], [8, 5], [0, 0], [0]),
}


class TestThin:
    """`thinned::thin`."""

    @pytest.mark.parametrize("rest", LAYOUTS.values(), ids=LAYOUTS)
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=name)
    def test_opcheck(self, rest, dtype):
        """PyTorch's own check of schema, fake tensors, autograd and tracing."""
        x = torch.randn(3, 5).to(dtype).requires_grad_()

        torch.library.opcheck(torch.ops.thinned.thin.default, (x, *rest))

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    @pytest.mark.parametrize("share", [(), 0, (-1,), (0, 2)], ids=str)
    @pytest.mark.parametrize(
        "window", [None, ((9, 4, 5), (6, 0, 0)), ((9, 4, 5), ([8, 0, 8], 0, [4, 3, 2, 1, 0]))]
    )
    def test_is_the_fast_path(self, dtype, share, window):
        """Outputs and gradients of the registered operator and of the eager function, bit for bit."""
        found = []
        for traced in (False, True):
            where = {key: torch.tensor(value) if traced else value for key, value in WHERE.items()}
            x = odd_values((3, 4, 5), dtype).requires_grad_()
            y = tt.dropout(x, 0.3, share=share, window=window, **where)
            y.backward(odd_values((3, 4, 5), dtype, seed=1))
            found.append((y, x.grad))

        assert same(found[0][0], found[1][0])
        assert same(found[0][1], found[1][1])

    def test_index_of_a_shared_axis_is_ignored(self):
        """Also where its array has another length than the axis."""
        x, where = torch.ones(3, 4, 5), {"share": 0, "window": ((9, 4, 5), ([1, 2], 0, [4, 3, 2, 1, 0]))}

        assert same(tt.dropout(x, 0.3, seed=1, **where), tt.dropout(x, 0.3, seed=torch.tensor(1), **where))

    def test_an_index_of_the_wrong_length(self):
        """One for each position, as in the eager function's words."""
        for seed in (1, torch.tensor(1)):
            with pytest.raises(WindowError, match="for each of the 4 positions on axis 0"):
                tt.dropout(torch.ones(4), 0.3, seed=seed, window=((9,), ([1, 2],)))

    def test_strides_of_fakes_are_the_real_ones(self):
        """Channels last, transposed, expanded."""
        for x in (
            torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
            torch.randn(4, 5).t(),
            torch.randn(1, 5).expand(4, 5),
        ):
            torch.library.opcheck(
                torch.ops.thinned.thin.default,
                (x, TICKET, [], [], [], []),
                test_utils=("test_schema", "test_faketensor"),
            )


class TestAfter:
    """`thinned::after`, which orders a root call before its draws."""

    def test_opcheck(self):
        """It is a copy."""
        x = torch.randn(3, requires_grad=True)

        torch.library.opcheck(torch.ops.thinned.after.default, (x, torch.tensor(0)))
