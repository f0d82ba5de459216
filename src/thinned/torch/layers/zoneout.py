"""Zoneout: recurrent cells whose units keep, now and then, the value of the step before."""

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from thinned.mask.rate import LEVELS
from thinned.mask.sharing import Window
from thinned.methods.locked_dropout import check_window
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.methods.zoneout import HIDDEN, MEMORY, check_sequence, expected
from thinned.torch._drawing import Drawing
from thinned.torch._select import dropped
from thinned.torch._ticket import is_traced, level
from thinned.torch._traced import step_now

State: TypeAlias = Tensor | tuple[Tensor, ...]
"""The hidden state, or it and the memory cell."""


class _Zoning(Drawing):
    """A recurrent cell and the rates at which its states stay."""

    def __init__(
        self,
        cell: nn.RNNCellBase,
        p: float | Schedule = 0.1,
        p_cell: float | Schedule | None = None,
        *,
        site: str | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(cell, nn.RNNCellBase):
            raise TypeError(
                f"expected a cell, nn.LSTMCell, nn.GRUCell or nn.RNNCell; got {type(cell).__name__}. Give the cell "
                "that the layer is made of; a layer such as nn.LSTM runs all its steps inside one call."
            )
        has_memory = isinstance(cell, nn.LSTMCell)
        if p_cell is not None and not has_memory:
            raise TypeError(
                f"expected p_cell, the rate of the memory cell, with an nn.LSTMCell only; got {p_cell!r} with "
                f"{type(cell).__name__}."
            )
        self.cell, self.p = cell, check_rate(p)
        self.p_cell = None if p_cell is None else check_rate(p_cell)
        check_site(site)
        self.site = site
        self.parts = (HIDDEN, MEMORY) if has_memory else (HIDDEN,)

    def extra_repr(self) -> str:
        """The rates, and the site where one was given."""
        rates = f"p={self.p}" + (f", p_cell={self.p_cell}" if self.p_cell is not None else "")
        return rates + (f", site={self.site!r}" if self.site is not None else "")

    def stated_rate(self, part: str = "") -> float:
        return self._stated(self.p if part != MEMORY or self.p_cell is None else self.p_cell)

    def _rates(self) -> list[Any]:
        """One for each part."""
        return [self.p, self.p if self.p_cell is None else self.p_cell][: len(self.parts)]

    def _stays(self, x: Tensor, like: Tensor, window: Window | None) -> list[Tensor | None]:
        """For each part, which elements of states like `like` keep the old value; None where its rate is 0."""
        found: list[Tensor | None] = []
        for part, rate in zip(self.parts, self._rates(), strict=True):
            if rate == 0:
                found.append(None)
                continue
            address = self.address(x, part)
            found.append(dropped(like, self.rate_at(rate, address), address, window=window))
        return found

    def _means(self, x: Tensor) -> list[Any]:
        """For each part its quantised rate, in evaluation: a schedule's is that of the model's next step."""
        found = []
        for rate in self._rates():
            step: Any = 0
            if isinstance(rate, Schedule) and self._binding is not None:
                step = step_now(self._binding, x) if is_traced(x) else self._binding.step
            found.append(level(self.rate_at(rate, (0, 0, step, 0))) / LEVELS)
        return found

    def _start(self, x: Tensor, hx: State | None) -> tuple[Tensor, ...]:
        """The state before a step on `x`, zeros by default, as one tensor for each part."""
        if hx is None:
            zeros = x.new_zeros((*x.shape[:-1], self.cell.hidden_size))
            return (zeros,) * len(self.parts)
        return (hx,) if isinstance(hx, Tensor) else tuple(hx)

    def _run(self, x: Tensor, old: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        new = self.cell(x, old if len(self.parts) > 1 else old[0])
        return (new,) if isinstance(new, Tensor) else new


def _after(new: Tensor, old: Tensor, stays: Tensor | None) -> Tensor:
    return new if stays is None else torch.where(stays, old, new)


def _mean(new: Tensor, old: Tensor, rate: Any) -> Tensor:
    return new if isinstance(rate, float) and rate == 0 else expected(new, old, rate)


class ZoneoutCell(_Zoning):
    """One step of a recurrent cell, some of whose units keep their old value: called as the cell is.

        h_t = k h'_t + (1 - k) h_{t-1},   k = mask.keep(h.shape, p, ...);   in evaluation (1 - q) h'_t + q h_{t-1}

    and the same for the memory cell of an LSTM, with draws of its own; `h'` is what the cell computed, `q` the
    quantised rate. Nothing is scaled. The sites of a bound model are `name/hidden` and `name/cell`, and those of
    the k-th step in one call of the model `name/hidden#k`; `Zoneout` runs a whole sequence.

    Args:
        cell: an `nn.LSTMCell`, `nn.GRUCell` or `nn.RNNCell`.
        p: probability that a unit of the hidden state keeps its old value, or a schedule of the step; may be set
            later.
        p_cell: the same for the memory cell of an LSTM; `p` by default. The paper takes 0.5 beside p = 0.05.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: a rate that no threshold stands for.
        TypeError: no cell, or `p_cell` with one that has no memory.

    Example:
        >>> import torch, thinned.torch
        >>> step = thinned.torch.ZoneoutCell(torch.nn.GRUCell(4, 8), 0.5)
        >>> h = step(torch.ones(2, 4), torch.full((2, 8), 7.0))
        >>> h.shape, bool((h == 7).any())
        (torch.Size([2, 8]), True)

    References:
        Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", 2017,
        https://arxiv.org/abs/1606.01305.
    """

    def forward(self, input: Tensor, hx: State | None = None) -> State:
        """The state after one step: `input` is (batch, feature) or (feature), `hx` as the cell takes it."""
        old = self._start(input, hx)
        new = self._run(input, old)
        if self.training:
            stays = self._stays(new[0], new[0], self.window(new[0]))
            state = tuple(map(_after, new, old, stays))
        else:
            state = tuple(map(_mean, new, old, self._means(input)))
        return state if len(self.parts) > 1 else state[0]

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        return [(part, (*x.shape[:-1], self.cell.hidden_size)) for part in self.parts]


class Zoneout(_Zoning):
    """A recurrent layer with zoneout: runs a cell over a sequence.

        h_t = k_t h'_t + (1 - k_t) h_{t-1},   k = mask.keep((time, batch, hidden), p, ...)

    and the same for the memory cell of an LSTM: see `ZoneoutCell`. The masks of a sequence are one logical array,
    time first, so those of the first steps do not depend on how many follow.

    Args:
        cell: an `nn.LSTMCell`, `nn.GRUCell` or `nn.RNNCell`.
        p: probability that a unit of the hidden state keeps its old value, or a schedule of the step; may be set
            later.
        p_cell: the same for the memory cell of an LSTM; `p` by default. The paper takes 0.5 beside p = 0.05.
        batch_first: sequences are (batch, time, feature), and not (time, batch, feature). Two axes are
            (time, feature).
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: a rate that no threshold stands for.
        TypeError: no cell, or `p_cell` with one that has no memory.
        BindError: a batch that is bound to lie along the axis of time: say `bind(..., batch=(1, size, start))`
            where time comes first.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.Zoneout(torch.nn.LSTMCell(4, 8), p=0.05, p_cell=0.5)
        >>> output, (h, c) = layer(torch.ones(7, 2, 4))
        >>> output.shape, h.shape, bool((output[-1] == h).all())
        (torch.Size([7, 2, 8]), torch.Size([2, 8]), True)

    References:
        Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", 2017,
        https://arxiv.org/abs/1606.01305.
    """

    def __init__(
        self,
        cell: nn.RNNCellBase,
        p: float | Schedule = 0.1,
        p_cell: float | Schedule | None = None,
        batch_first: bool = False,
        *,
        site: str | None = None,
    ) -> None:
        super().__init__(cell, p, p_cell, site=site)
        self.batch_first = batch_first

    def forward(self, input: Tensor, hx: State | None = None) -> tuple[Tensor, State]:
        """All hidden states, laid out as `input` is, and the last state, as the cell has it."""
        turned = self.batch_first and input.dim() > 2
        x = input.transpose(0, 1) if turned else input
        state, outputs = self._start(x[0] if len(x) else x.new_zeros(x.shape[1:]), hx), []
        like = state[0].expand(len(x), *state[0].shape)
        stays = (
            self._stays(input, like, self._placed(input, like)) if self.training else [None] * len(self.parts)
        )
        means = [] if self.training else self._means(input)
        for t, value in enumerate(x.unbind()):
            new = self._run(value, state)
            if self.training:
                now = [None if mask is None else mask[t] for mask in stays]
                state = tuple(map(_after, new, state, now))
            else:
                state = tuple(map(_mean, new, state, means))
            outputs.append(state[0])
        output = torch.stack(outputs) if outputs else like
        return (
            output.transpose(0, 1) if turned else output,
            state if len(self.parts) > 1 else state[0],
        )

    def _placed(self, x: Tensor, like: Tensor) -> Window | None:
        """The window of the masks, time first, from that of the input."""
        window = self.window(x)
        turned = self.batch_first and x.dim() > 2
        if window is None:
            return None
        check_sequence(x.dim())
        check_window(x.shape, window, 1 if turned else 0)
        batch = 0 if turned else 1
        (sizes, index), hidden = window, like.shape[-1]
        return (like.shape[0], sizes[batch], hidden), (0, index[batch], 0)

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        turned = self.batch_first and x.dim() > 2
        sizes = (x.shape[1], x.shape[0]) if turned else x.shape[:-1]
        return [(part, (*sizes, self.cell.hidden_size)) for part in self.parts]

    def extra_repr(self) -> str:
        """The rates and the layout."""
        return f"{super().extra_repr()}, batch_first={self.batch_first}"
