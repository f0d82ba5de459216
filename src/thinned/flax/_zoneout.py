"""Zoneout for NNX and Linen: a recurrent cell whose units keep, now and then, the value of the step before."""

from dataclasses import field
from typing import Any, Unpack

import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

import thinned.jax
from thinned.flax._drawing import Common, Drawing
from thinned.flax._kinds import At, Kind, is_zero, rate_at
from thinned.flax._linen import Scoped
from thinned.flax._scopes import close
from thinned.jax._ticket import level
from thinned.mask.rate import LEVELS
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.zoneout import HIDDEN, MEMORY, expected

_LONG = (nnx.LSTMCell, nnx.OptimizedLSTMCell, nn.LSTMCell, nn.OptimizedLSTMCell)
"""Cells whose carry is a memory and a hidden state, in this order."""


class Zoned(Kind):
    """A recurrent cell and the rates at which its states stay. Its methods are given (carry, inputs)."""

    cell: Any
    rate: Any
    rate_cell: Any

    @property
    def parts(self) -> tuple[str, ...]:  # type: ignore[override]
        return (HIDDEN, MEMORY) if isinstance(self.cell, _LONG) else (HIDDEN,)

    @property
    def amount(self) -> Any:
        """A rate that is not 0, if there is one."""
        return next((rate for rate in map(self.amount_of, self.parts) if not is_zero(rate)), 0.0)

    def amount_of(self, part: str) -> Any:
        return self.rate if part != MEMORY or self.rate_cell is None else self.rate_cell

    def mask_shapes(self, x: Any) -> list[tuple[str, tuple[int, ...]]]:
        return [(part, jnp.shape(state)) for part, state in zip(self.parts, self._states(x[0]), strict=True)]

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        def zoned(part: str, new: Any, old: Any) -> Any:
            if is_zero(self.amount_of(part)):
                return new
            where = at(part)
            return thinned.jax.zoneout(new, old, rate_at(self, where.get("step"), part), **where)

        return self._stepped(x, zoned)

    def undrawn(self, x: Any) -> Any:
        def mean(part: str, new: Any, old: Any) -> Any:
            if is_zero(self.amount_of(part)):
                return new
            share = level(rate_at(self, self.step_now(), part))
            return expected(new, old, share / LEVELS).astype(new.dtype)

        return self._stepped(x, mean)

    def _stepped(self, x: Any, zoned: Any) -> Any:
        """The carry and the output after a step, of which `zoned` says what each state becomes."""
        carry, inputs = x
        new = self.run(carry, inputs)
        found = [
            zoned(part, state, old)
            for part, state, old in zip(self.parts, self._states(new), self._states(carry), strict=True)
        ]
        return (found[0] if len(found) == 1 else (found[1], found[0])), found[0]

    def run(self, carry: Any, inputs: Any) -> Any:
        """The carry that the cell computes."""
        return self.cell(carry, inputs)[0]

    def _states(self, carry: Any) -> tuple[Any, ...]:
        """The hidden state, and then the memory."""
        if len(self.parts) == 2:
            return carry[1], carry[0]
        if isinstance(carry, (tuple, list, dict)):
            raise TypeError(
                f"expected a cell whose carry is one array, or an LSTM of Flax; got {type(self.cell).__name__}, "
                f"whose carry is a {type(carry).__name__}. Call thinned.jax.zoneout on its states."
            )
        return (carry,)


def check_cell(cell: Any, base: type, rate_cell: Any) -> None:
    """Refuse what is no cell, and the rate of a memory that a cell has not.

    Raises:
        TypeError: says what it must be.
    """
    if not isinstance(cell, base):
        raise TypeError(
            f"expected a cell, such as LSTMCell, GRUCell or SimpleCell; got {type(cell).__name__}. Give the cell, "
            "and run it with RNN(ZoneoutCell(cell))."
        )
    if rate_cell is not None and not isinstance(cell, _LONG):
        raise TypeError(
            f"expected rate_cell, the rate of the memory cell, with an LSTM only; got {rate_cell!r} with "
            f"{type(cell).__name__}."
        )


class ZoneoutCell(Drawing, Zoned, nnx.RNNCellBase):
    """One step of a recurrent cell, some of whose units keep their old value: called as the cell is.

        h_t = k h'_t + (1 - k) h_{t-1},   k = mask.keep(h.shape, rate, ...)
        h_t = (1 - q) h'_t + q h_{t-1}   in evaluation

    and the same for the memory cell of an LSTM, with draws of its own; `h'` is what the cell computed, `q` the
    quantised rate. Nothing is scaled. `nnx.RNN(ZoneoutCell(cell))` runs a sequence. The sites of a bound model are
    `name/hidden` and `name/cell`, and those of the k-th step of a sequence `name/hidden#k`: those of
    `thinned.torch.ZoneoutCell`.

    Args:
        cell: an `nnx.LSTMCell`, `OptimizedLSTMCell`, or a cell whose carry is one array, such as `GRUCell`.
        rate: probability that a unit of the hidden state keeps its old value, as in `Dropout`.
        rate_cell: the same for the memory cell of an LSTM; `rate` by default. The paper takes 0.5 beside 0.05.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        RateError: as `Dropout`.
        TypeError: no cell, or `rate_cell` with one that has no memory.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> cell = thinned.flax.ZoneoutCell(nnx.LSTMCell(4, 8, rngs=nnx.Rngs(0)), 0.05, rate_cell=0.5)
        >>> model = thinned.flax.bind(nnx.RNN(cell), seed=0)
        >>> model(jnp.ones((2, 7, 4))).shape
        (2, 7, 8)

    References:
        Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", 2017,
        https://arxiv.org/abs/1606.01305.
    """

    def __init__(
        self,
        cell: nnx.RNNCellBase,
        rate: float | Schedule = 0.1,
        rate_cell: float | Schedule | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        check_cell(cell, nnx.RNNCellBase, rate_cell)
        self.cell, self.rate = cell, check_rate(rate)
        self.rate_cell = None if rate_cell is None else check_rate(rate_cell)

    def __call__(  # type: ignore[override]
        self, carry: Any, inputs: Any, *, deterministic: bool | None = None, rngs: Any = None
    ) -> Any:
        """The carry after one step, and the hidden state."""
        return super().__call__((carry, inputs), deterministic=deterministic, rngs=rngs)

    def initialize_carry(self, *args: Any, **kwargs: Any) -> Any:
        """The cell's."""
        return self.cell.initialize_carry(*args, **kwargs)

    @property
    def num_feature_axes(self) -> int:
        """The cell's."""
        return int(self.cell.num_feature_axes)


class LinenZoneoutCell(Zoned, Scoped, nn.RNNCellBase):
    """One step of a recurrent cell, some of whose units keep their old value: see `thinned.flax.ZoneoutCell`.

    `nn.RNN(ZoneoutCell(cell), variable_carry="thinned")` runs a sequence of a bound model; of a free one, whose
    keys differ from step to step, `nn.RNN(..., split_rngs={"params": False, "dropout": True})`. A layer of ours
    inside the cell cannot draw in a bound model.

    Attributes:
        cell: an `nn.LSTMCell`, `OptimizedLSTMCell`, or a cell whose carry is one array.
        rate: probability that a unit of the hidden state keeps its old value.
        rate_cell: the same for the memory cell of an LSTM; `rate` by default.
        deterministic: True in evaluation; here or in the call.
        rng_collection: the stream that keys are taken from.
        site: the name of its draws in a bound model; its path by default.

    Raises:
        RateError: as `Dropout`.
        TypeError: no cell, or `rate_cell` with one that has no memory.

    Example:
        >>> import jax, jax.numpy as jnp, flax.linen as nn, thinned.flax
        >>> cell = thinned.flax.linen.ZoneoutCell(nn.GRUCell(8), 0.1, deterministic=False)
        >>> net = thinned.flax.bind(nn.RNN(cell, variable_carry="thinned"), seed=0)
        >>> variables = net.init(jax.random.key(0), jnp.ones((2, 7, 4)))
        >>> net.apply(variables, jnp.ones((2, 7, 4)), step=0).shape
        (2, 7, 8)

    References:
        Krueger et al., 2017, https://arxiv.org/abs/1606.01305.
    """

    cell: nn.RNNCellBase
    rate: float | Schedule = 0.1
    rate_cell: float | Schedule | None = None
    deterministic: bool | None = field(default=None, kw_only=True)
    rng_collection: str = field(default="dropout", kw_only=True)
    site: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_cell(self.cell, nn.RNNCellBase, self.rate_cell)
        super().__post_init__()

    @nn.compact
    def __call__(self, carry: Any, inputs: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """The carry after one step, and the hidden state."""
        return self.call((carry, inputs), deterministic, rng)

    def run(self, carry: Any, inputs: Any) -> Any:
        """The carry that the cell computes; layers of ours inside it have no address."""
        close(self.cell.scope)
        return self.cell(carry, inputs)[0]

    @nn.nowrap
    def initialize_carry(self, *args: Any, **kwargs: Any) -> Any:
        """The cell's."""
        return self.cell.initialize_carry(*args, **kwargs)

    @property
    def num_feature_axes(self) -> int:
        """The cell's."""
        return int(self.cell.num_feature_axes)


LinenZoneoutCell.__name__ = LinenZoneoutCell.__qualname__ = "ZoneoutCell"
