"""The block: Gluon's own, with the law's masks. Free until its network is bound."""

from typing import Any

import mxnet as mx
from mxnet import autograd, gluon

from thinned.mask.rate import threshold
from thinned.methods.batch import batch_window
from thinned.methods.site import check_site
from thinned.mxnet._binding import Binding
from thinned.mxnet._gradient import drop
from thinned.mxnet._memory import Array, planned
from thinned.mxnet._operator import TICKET, node

_KEYS = 1 << 62
"""How many keys a free layer may draw: MXNet's widest range of integers but one bit."""


class Dropout(gluon.nn.Dropout):  # type: ignore[misc]
    """Zero elements with probability `rate` in training: `gluon.nn.Dropout` with the law's masks.

        y = k x / (1 - T / 65536),   T = round(65536 rate)

    A free block draws a fresh key from MXNet's generator at each call, so `mx.random.seed` governs it. In a bound
    network its mask is `thinned.mask.keep(x.shape, rate, seed=seed, site=name, step=step, share=axes)`.

    Args:
        rate: probability of dropping, 0 <= rate <= 1; may be set later (`layer._rate = 0`), and where the network
            is hybridised, `hybridize` again.
        axes: along which one draw is shared, as Gluon has it.
        site: the name of its draws in a bound network; the block's qualified name, by default.
        **kwargs: Gluon's `prefix` and `params`.

    Raises:
        RateError: `rate` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        AddressError: a `site` that is not text.

    Example:
        >>> import mxnet as mx, thinned.mxnet
        >>> layer = thinned.mxnet.Dropout(0.5)
        >>> mx.random.seed(0)
        >>> with mx.autograd.train_mode():
        ...     sorted(set(layer(mx.nd.ones(1000)).asnumpy().tolist()))
        [0.0, 2.0]
        >>> layer(mx.nd.ones(3)).asnumpy()
        array([1., 1., 1.], dtype=float32)

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    is_thinned = True
    site: str | None = None
    _binding: Binding | None = None
    _site = ""
    _former: tuple[tuple[Binding, str], ...] = ()

    def __init__(self, rate: float, axes: Any = (), site: str | None = None, **kwargs: Any) -> None:
        threshold(rate)
        check_site(site)
        super().__init__(rate, axes, **kwargs)
        self.site = site

    def forward(self, x: Any) -> Any:
        """Drop where MXNet trains; elsewhere, and at rate 0, a copy, as Gluon gives it."""
        if isinstance(x, mx.sym.Symbol):
            return super().forward(x)
        # An array never needs a graph of this block alone, so being hybridised changes nothing here.
        if not autograd.is_training() or self._rate == 0:
            return _copy(x)
        if self._binding is None:
            return drop(x, planned(x.shape, self._rate, self.shared), (fresh_key(), 0, 0, 0))
        window = batch_window(x.shape, self._binding.batch)
        return drop(x, planned(x.shape, self._rate, self.shared, window), self._binding.use(self._site))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's own name for it
        """Leave a node in the graph being made."""
        if self._rate == 0:
            return _copy(x)
        threshold(self._rate)
        binding = self._binding
        if binding is None:
            key = mx.sym.random.randint(0, _KEYS, shape=(1,), dtype="int64")
            return node(x, self._rate, {"site": 0, "step": 0, "draw": 0}, {"seed": key}, self.shared)
        known: dict[str, int | str] = {"site": self._site, "use": binding.trace(self._site)}
        ticket = binding.tickets[self._site].var()
        return node(x, self._rate, known, {TICKET: ticket}, self.shared, batch=binding.batch)

    @property
    def shared(self) -> tuple[int, ...]:
        """The axes that one draw is shared along."""
        return (self._axes,) if isinstance(self._axes, int) else tuple(self._axes)

    def collect_params(self, select: str | None = None) -> Any:
        """Gluon's; the graph that is being made also finds the ticket here, and nobody else does."""
        found = super().collect_params(select)
        if self._binding is not None and self._binding.is_traced(self._site):
            ticket = self._binding.tickets[self._site]
            found.update({ticket.name: ticket})
        return found

    def __repr__(self) -> str:
        site = f", site={self.site!r}" if self.site is not None else ""
        return f"{super().__repr__()[:-1]}{site})"

    def join(self, binding: Binding, name: str) -> None:
        """Draw by this binding from now on, at the site `name`; after it, again by the one before."""
        if self._binding is not None:
            self._former = (*self._former, (self._binding, self._site))
        self._binding, self._site = binding, name

    def leave(self, binding: Binding) -> None:
        """Draw by the binding before this one, or freely again."""
        self._former = tuple(former for former in self._former if former[0] is not binding)
        if self._binding is not binding:
            return
        self._binding = None
        if self._former:
            *former, (self._binding, self._site) = self._former
            self._former = tuple(former)


def fresh_key() -> int:
    """A seed from MXNet's generator, so that `mx.random.seed` governs it."""
    return int(mx.nd.random.randint(0, _KEYS, shape=(1,), dtype="int64").asnumpy()[0])


def _copy(x: Array) -> Array:
    is_np = type(x) not in {mx.nd.NDArray, mx.sym.Symbol}
    if isinstance(x, mx.sym.Symbol):
        return mx.sym.np.copy(x) if is_np else mx.sym.identity(x)
    return mx.np.copy(x) if is_np else mx.nd.identity(x)
