"""Catch functional dropout: `F.dropout` and its kin, and attention's `dropout_p`, for the span of a `with`."""

import math
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, SupportsIndex, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from thinned.errors import BindError
from thinned.methods import alpha
from thinned.methods.law import THIN, Law
from thinned.methods.spatial import position_axes
from thinned.torch._bind import attach, binding_of, named_modules, unbind, unwrapped
from thinned.torch._binding import Binding
from thinned.torch._drawing import fresh_key
from thinned.torch._functional import drop, thin
from thinned.torch._law import apply
from thinned.torch._ticket import is_traced

_ORIGINALS: dict[str, Callable[..., Any]] = {
    name: getattr(F, name)
    for name in (
        "dropout",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "alpha_dropout",
        "feature_alpha_dropout",
        "scaled_dot_product_attention",
    )
}
_OPERATORS = {getattr(torch, name): name for name in ("dropout", "alpha_dropout", "feature_alpha_dropout")}
"""Functions of `torch` itself, whose arguments are (input, p, train)."""

_current = threading.local()
_lock = threading.Lock()
_depth = 0
_FUNCTIONAL = ("functional",)


def _draws_between_layers(*args: Any) -> bool:
    """Of `lstm` and its kin, padded or packed: (..., has_biases, num_layers, dropout, train, ...)."""
    place = next(i for i, value in enumerate(args) if isinstance(value, bool))
    layers, dropout, training = args[place + 1 : place + 4]
    return bool(training) and layers > 1 and dropout > 0


_MISSED: dict[str, Callable[..., bool]] = {
    "lstm": _draws_between_layers,
    "gru": _draws_between_layers,
    "rnn_tanh": _draws_between_layers,
    "rnn_relu": _draws_between_layers,
}
"""What draws and is not caught, by name, with whether a call of it does."""


class _Running(threading.local):
    """The names of the modules that this thread is in."""

    def __init__(self) -> None:
        self.path: list[str] = []


class patched(TorchFunctionMode):  # noqa: N801 - a context manager, named as a verb
    """Within it, functional dropout draws by the law, at sites named after the module that calls it.

    `F.dropout`, `F.dropout1d`, `2d`, `3d`, `F.alpha_dropout`, `F.feature_alpha_dropout`, `torch.dropout` and the
    `dropout_p` of `F.scaled_dot_product_attention` are caught, however they were imported, in this thread;
    PyTorch's own dropout layers and `nn.MultiheadAttention` come through them. The k-th call in a module is
    `name#k`. With a bound model the draws have addresses; without one they draw fresh keys, governed by
    `torch.manual_seed`. A warning tells of draws that it does not catch: the dropout between the layers of an
    `nn.LSTM` or `nn.GRU`. Activation checkpoints recompute in the backward pass, so call `backward` within it as
    well.

    Args:
        model: whose modules name the sites; bound, or with `seed`.
        seed: binds the model while the context lasts, if it is not bound.

    Raises:
        BindError: a seed without a model, which would have no step.

    Example:
        >>> import torch, thinned, thinned.torch
        >>> class Net(torch.nn.Module):
        ...     def forward(self, x):
        ...         return torch.nn.functional.dropout(x, 0.5, self.training)
        >>> with thinned.torch.patched(Net(), seed=0) as model:
        ...     y = model(torch.ones(1, 8))
        >>> (y != 0).tolist() == thinned.mask.keep((1, 8), 0.5, seed=0, site="").tolist()
        True
    """

    def __init__(self, model: nn.Module | None = None, seed: SupportsIndex | None = None) -> None:
        super().__init__()
        if model is None and seed is not None:
            raise BindError("expected a model with the seed, whose calls are its steps; got seed alone.")
        self._model, self._seed = model, seed
        self._running = _Running()
        self._missed: set[str] = set()
        self._handles: list[Any] = []
        self._binds = False

    def __enter__(self) -> Any:
        """Start catching; returns the model, or this object where there is none."""
        global _depth  # noqa: PLW0603 - PyTorch's module is patched once, however many threads are within
        if self._model is not None:
            if self._seed is not None and binding_of(self._model) is None:
                attach(self._model, self._seed)
                self._binds = True
            self._follow(unwrapped(self._model))
        self._outer = getattr(_current, "patch", None)
        _current.patch = self
        with _lock:
            _depth += 1
            if _depth == 1:
                for name in _ORIGINALS:
                    setattr(F, name, _substitute(name))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self if self._model is None else self._model

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put everything back as it was."""
        global _depth  # noqa: PLW0603
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        with _lock:
            _depth -= 1
            if _depth == 0:
                for name, original in _ORIGINALS.items():
                    setattr(F, name, original)
        _current.patch = self._outer
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if self._binds and self._model is not None:
            unbind(self._model)
            self._binds = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Names that were imported before the `with`, and `torch.dropout`, arrive here."""
        name = _caught(func)
        if func in _OPERATORS and kwargs and "train" in kwargs:
            kwargs = {**kwargs, "training": kwargs["train"]}
            del kwargs["train"]
        if name is not None:
            return getattr(self, name)(*args, **(kwargs or {}))
        self._tell(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))

    def _tell(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Warn, once for each, of draws that no address governs here."""
        name = getattr(func, "__name__", "")
        if name not in _MISSED or not _MISSED[name](*args, **kwargs):
            return
        path = self._running.path
        where = f"{path[-1]!r}" if path else "no module"
        if f"{name} in {where}" not in self._missed:
            self._missed.add(f"{name} in {where}")
            warnings.warn(
                f"{name}, called in {where}, draws from PyTorch's generator: thinned.torch.patched misses it.",
                stacklevel=4,
            )

    def dropout(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """`F.dropout` by the law."""
        return self._drop(input, p, training, inplace, ())

    def dropout1d(
        self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        """`F.dropout1d` by the law."""
        _ORIGINALS["dropout1d"](input, p, False)  # refuses what PyTorch refuses
        return self._drop(input, p, training, inplace, position_axes(input.dim(), 1))

    def dropout2d(
        self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        """`F.dropout2d` by the law."""
        _ORIGINALS["dropout2d"](input, p, False)
        return self._drop(input, p, training, inplace, position_axes(input.dim(), 2))

    def dropout3d(
        self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        """`F.dropout3d` by the law."""
        _ORIGINALS["dropout3d"](input, p, False)
        return self._drop(input, p, training, inplace, position_axes(input.dim(), 3))

    def alpha_dropout(
        self, input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
    ) -> Tensor:
        """`F.alpha_dropout` by the law."""
        return self._drop(input, p, training, inplace, (), alpha.LAW)

    def feature_alpha_dropout(
        self, input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
    ) -> Tensor:
        """`F.feature_alpha_dropout` by the law."""
        return self._drop(input, p, training, inplace, alpha.feature_axes(input.dim()), alpha.LAW)

    def scaled_dot_product_attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Attention written out, with the law's mask on its weights; PyTorch's own where `dropout_p` is 0."""
        if dropout_p == 0:
            return cast(
                Tensor,
                _ORIGINALS["scaled_dot_product_attention"](
                    query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
                ),
            )
        if is_causal and attn_mask is not None:
            raise RuntimeError("expected is_causal=False with an attn_mask, as PyTorch does; got both.")
        if enable_gqa:
            key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
            value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
        # Scaled before the product, which may leave half precision's range.
        scores = query * (1 / math.sqrt(query.size(-1)) if scale is None else scale) @ key.transpose(-2, -1)
        if is_causal:
            causal = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
            scores = scores.masked_fill(~causal, -math.inf)
        if attn_mask is not None:
            scores = (
                scores.masked_fill(~attn_mask, -math.inf)
                if attn_mask.dtype == torch.bool
                else scores + attn_mask
            )
        return self._drop(torch._safe_softmax(scores, -1), dropout_p, True, False, ()) @ value

    def _drop(
        self,
        x: Tensor,
        p: float,
        training: bool,
        inplace: bool,
        share: tuple[int, ...],
        law: Law = THIN,
    ) -> Tensor:
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        if not training or p == 0:
            return x
        binding = None if self._model is None else binding_of(self._model)
        if binding is None:
            address = fresh_key(x), 0, 0, 0
            if law is THIN:
                return thin(x, p, address, share, inplace=inplace)
            return apply(x, law, p, address, share, inplace=inplace)
        if is_traced(x):
            raise BindError(
                "patched draws of a bound model are eager; compile a model that was converted instead."
            )
        return self._bound(binding, x, p, share, inplace, law)

    def _bound(
        self, binding: Binding, x: Tensor, p: float, share: tuple[int, ...], inplace: bool, law: Law
    ) -> Tensor:
        # A checkpoint runs its piece again outside the module that called it, so no name tells those draws
        # apart; their order does.
        draw = binding.use(self._running.path[-1] if self._running.path else "", who=_FUNCTIONAL)
        address, window = (binding.seed, *draw), binding.window(x)
        if law is THIN:
            return drop(x, p, address, share, window, inplace=inplace)
        return apply(x, law, p, address, share, window, inplace=inplace)

    def _follow(self, root: nn.Module) -> None:
        """Know at each moment which module runs."""
        for name, module in named_modules(root):
            enter = module.register_forward_pre_hook(lambda *_, name=name: self._running.path.append(name))
            leave = module.register_forward_hook(lambda *_: self._leave(), always_call=True)
            self._handles += [enter, leave]

    def _leave(self) -> None:
        if self._running.path:
            self._running.path.pop()


def _caught(func: Callable[..., Any]) -> str | None:
    if func in _OPERATORS:
        return _OPERATORS[func]
    return next((name for name, original in _ORIGINALS.items() if func is original), None)


def _substitute(name: str) -> Callable[..., Any]:
    """What stands in for `F.name`: ours within a `patched` of this thread, else PyTorch's."""

    def call(*args: Any, **kwargs: Any) -> Any:
        patch = getattr(_current, "patch", None)
        return _ORIGINALS[name](*args, **kwargs) if patch is None else getattr(patch, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = _ORIGINALS[name].__doc__
    return call
