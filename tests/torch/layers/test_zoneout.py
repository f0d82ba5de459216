"""`Zoneout` and `ZoneoutCell`: the masks are the law's, time first; cells of every kind."""

import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.torch.models import all_equal
from thinned.errors import BindError, RateError
from thinned.mask import keep, quantise

SEED, T, B, H = 7, 4, 3, 5
CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}


def cell(kind="lstm", dtype=torch.float32):
    """The same weights each time."""
    torch.manual_seed(1)
    return CELLS[kind](6, H, dtype=dtype)


def mask(part, p, shape=(T, B, H), window=None, **where):
    """What the law says of a part of layer 0: True where the new value is taken."""
    where = {"seed": SEED, "site": f"0/{part}", "step": 0} | where
    return torch.from_numpy(keep(shape, p, window=window, **where))


def unrolled(one, x, p, p_cell, step=0):
    """The paper's equations over a sequence, with masks from NumPy."""
    hidden, memory = (mask(part, rate, step=step) for part, rate in (("hidden", p), ("cell", p_cell)))
    state, outputs = (torch.zeros(B, H), torch.zeros(B, H)), []
    for t in range(T):
        if isinstance(one, nn.LSTMCell):
            h, c = one(x[t], state)
            state = torch.where(hidden[t], h, state[0]), torch.where(memory[t], c, state[1])
        else:
            state = (torch.where(hidden[t], one(x[t], state[0]), state[0]),)
        outputs.append(state[0])
    return torch.stack(outputs), state


@pytest.mark.parametrize("kind", CELLS)
class TestSequence:
    """`Zoneout`."""

    @pytest.mark.parametrize("batch_first", [False, True])
    def test_masks_are_the_laws(self, kind, batch_first):
        """One logical array (time, batch, hidden) for each part, and gradients go where values came from."""
        x = torch.randn(T, B, 6).requires_grad_()
        p_cell = {"p_cell": 0.5} if kind == "lstm" else {}
        model = tt.bind(nn.Sequential(tt.Zoneout(cell(kind), 0.3, **p_cell, batch_first=batch_first)), SEED)
        for step in range(2):
            expected, state = unrolled(model[0].cell, x, 0.3, 0.5, step)
            y, last = model(x.transpose(0, 1) if batch_first else x)
            y = y.transpose(0, 1) if batch_first else y
            last = last if kind == "lstm" else (last,)

            assert torch.equal(expected, y)
            assert all_equal(state, last)
            for one, other in zip(
                torch.autograd.grad(expected.sin().sum(), [x, *model.parameters()]),
                torch.autograd.grad(y.sin().sum(), [x, *model.parameters()]),
                strict=True,
            ):
                assert torch.equal(one, other)

    def test_evaluation_is_the_mean(self, kind):
        """(1 - q) new + q old, at every step."""
        layer = tt.Zoneout(cell(kind), 0.3).eval()
        x, q = torch.randn(T, B, 6), quantise(0.3)
        old = (torch.zeros(B, H),) * len(layer.parts)
        y, _ = layer(x)
        for t in range(T):
            new = layer.cell(x[t], old if kind == "lstm" else old[0])
            new = new if kind == "lstm" else (new,)
            old = tuple((1 - q) * one + q * other for one, other in zip(new, old, strict=True))
            torch.testing.assert_close(old[0], y[t])

    @pytest.mark.parametrize("training", [True, False])
    def test_edges(self, kind, training):
        """Rate 0 is the cell alone; at rate 1 nothing ever changes."""
        x, start = torch.randn(T, B, 6), torch.randn(B, H)
        state = (start, start) if kind == "lstm" else start
        still, _ = tt.Zoneout(cell(kind), 1.0).train(training)(x, state)
        moving, _ = tt.Zoneout(cell(kind), 0.0).train(training)(x, state)
        one = cell(kind)
        first = one(x[0], state)

        assert torch.equal(start.expand(T, B, H), still)
        assert torch.equal(first[0] if kind == "lstm" else first, moving[0])

    def test_without_a_batch(self, kind):
        """(time, feature), as PyTorch's cells take it."""
        x = torch.randn(T, 6)
        y, _ = tt.Zoneout(cell(kind), 0.0, batch_first=True)(x)
        z, _ = tt.Zoneout(cell(kind), 0.0)(x[:, None])

        torch.testing.assert_close(z[:, 0], y)

    def test_an_empty_sequence(self, kind):
        """Has no outputs, and leaves the state as it was."""
        y, _ = tt.Zoneout(cell(kind), 0.5)(torch.randn(0, B, 6))
        assert (0, B, H) == y.shape

    def test_equals_its_cell_in_a_loop_without_draws(self, kind):
        """The same equations."""
        x = torch.randn(T, B, 6)
        y, _ = tt.Zoneout(cell(kind), 0.4).eval()(x)
        step, state = tt.ZoneoutCell(cell(kind), 0.4).eval(), None
        for t in range(T):
            state = step(x[t], state)
            assert torch.equal(state[0] if kind == "lstm" else state, y[t])


class TestCell:
    """`ZoneoutCell`."""

    def test_masks_are_the_laws(self):
        """The k-th step in one call of the model has the site name/part#k."""

        class Loop(nn.Module):
            def __init__(self):
                super().__init__()
                self.add_module("0", tt.ZoneoutCell(cell(), 0.3, 0.5))

            def forward(self, x):
                state, found = None, []
                for value in x:
                    state = self.get_submodule("0")(value, state)
                    found.append(state)
                return found

        model, x = tt.bind(Loop(), SEED), torch.randn(T, B, 6)
        old = (torch.zeros(B, H),) * 2
        for t, found in enumerate(model(x)):
            use = f"#{t}" if t else ""
            new = model.get_submodule("0").cell(x[t], old)
            old = tuple(
                torch.where(mask(part, p, (B, H), site=f"0/{part}{use}"), one, other)
                for part, p, one, other in zip(("hidden", "cell"), (0.3, 0.5), new, old, strict=True)
            )
            assert all_equal(old, found)

    def test_half_types(self):
        """States keep their type."""
        for training in (True, False):
            layer = tt.ZoneoutCell(cell(dtype=torch.bfloat16), 0.5).train(training)
            h, c = layer(torch.ones(B, 6, dtype=torch.bfloat16))
            assert h.dtype == c.dtype == torch.bfloat16


class TestRanks:
    """Parts of a batch have the masks that they have in the whole."""

    @pytest.mark.parametrize("batch_first", [False, True])
    def test_parts_of_a_batch(self, batch_first):
        """In either layout."""
        axis = 0 if batch_first else 1
        x = torch.randn(6, T, 6) if batch_first else torch.randn(T, 6, 6)
        layer = lambda: nn.Sequential(tt.Zoneout(cell(), 0.5, batch_first=batch_first))  # noqa: E731
        whole, _ = tt.bind(layer(), SEED)(x)
        parts = [
            tt.bind(layer(), SEED, batch=(axis, 6, start))(x.narrow(axis, start, 2))[0] for start in (0, 2, 4)
        ]

        torch.testing.assert_close(whole, torch.cat(parts, axis))

    def test_a_batch_along_time(self):
        """Is no batch."""
        model = tt.bind(nn.Sequential(tt.Zoneout(cell(), 0.5)), SEED, batch=(0, 8, 0))
        with pytest.raises(BindError, match="another axis than time"):
            model(torch.randn(T, B, 6))

    def test_a_sequence_without_a_batch(self):
        """Cannot be part of one."""
        model = tt.bind(nn.Sequential(tt.Zoneout(cell(), 0.5)), SEED, batch=(1, 8, 0))
        with pytest.raises(BindError, match="axes of time, batch and feature"):
            model(torch.randn(T, 6))


class TestArguments:
    """What can be set, and what cannot."""

    def test_rates_that_are_set_later(self):
        """Count, each for its part; `p_cell` follows `p` where it was not given."""
        layer, x = tt.Zoneout(cell(), 0.5, 0.5), torch.randn(T, B, 6)
        layer.p, layer.p_cell = 0, 1.0
        _, (h, c) = layer(x)
        assert h.any()
        assert not c.any()
        layer.p_cell, layer.p = None, 1.0
        assert not any(part.any() for part in layer(x)[1])

    def test_a_layer_is_no_cell(self):
        """It runs all its steps in one call."""
        with pytest.raises(TypeError, match="expected a cell"):
            tt.Zoneout(nn.LSTM(6, 5))

    def test_a_rate_for_a_memory_that_is_not_there(self):
        """Would be ignored."""
        with pytest.raises(TypeError, match="expected p_cell"):
            tt.ZoneoutCell(nn.GRUCell(6, 5), 0.1, 0.5)

    def test_a_wrong_rate_of_the_memory(self):
        """Is refused like the other."""
        with pytest.raises(RateError):
            tt.Zoneout(cell(), 0.1, 1.5)


class TestFunction:
    """`thinned.torch.zoneout`."""

    @pytest.mark.parametrize("traced", [False, True], ids=["integers", "tensors"])
    def test_selects(self, traced):
        """What is not taken may be anything; gradients are the mask."""
        k = torch.from_numpy(keep((B, H), 0.5, seed=3, site=4, step=5, draw=6, share=1))
        new = torch.where(k, torch.randn(B, H), torch.nan).requires_grad_()
        old = torch.where(k, torch.inf, torch.randn(B, H)).requires_grad_()
        as_given = torch.tensor if traced else int
        h = tt.zoneout(
            new, old, 0.5, seed=as_given(3), site=as_given(4), step=as_given(5), draw=as_given(6), share=1
        )
        h.sum().backward()

        assert torch.equal(torch.where(k, new, old), h)
        assert torch.equal(k.expand(B, H).float(), new.grad)
        assert torch.equal((~k).expand(B, H).float(), old.grad)

    def test_lanes(self):
        """`vmap` over draws gives the masks of each."""
        new, old = torch.ones(B, H), torch.zeros(B, H)
        found = torch.vmap(lambda draw: tt.zoneout(new, old, 0.5, seed=3, draw=draw))(torch.arange(4))
        for draw in range(4):
            assert torch.equal(tt.zoneout(new, old, 0.5, seed=3, draw=draw), found[draw])
