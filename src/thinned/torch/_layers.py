"""Layers: PyTorch's own, with the law's masks. Free until their model is bound."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thinned.errors import BindError
from thinned.mask.rate import threshold
from thinned.methods.site import check_site
from thinned.methods.spatial import position_axes
from thinned.torch._binding import Binding
from thinned.torch._functional import drop, ragged, thin, thin_at
from thinned.torch._ticket import is_traced, with_level
from thinned.torch._traced import ticket


class _Layer(nn.modules.dropout._DropoutNd):
    """What all of them share; a subclass says along which axes a draw is shared."""

    is_thinned = True
    _binding: Binding | None = None
    site: str | None = None
    _name = ""
    _place: Tensor
    _former: tuple[tuple[Binding, str, Tensor], ...] = ()

    def __init__(self, p: float = 0.5, inplace: bool = False, *, site: str | None = None) -> None:
        super().__init__(p, inplace)
        threshold(self.p)
        check_site(site)
        self.site = site

    def forward(self, input: Tensor) -> Tensor:
        """Drop in training, return `input` itself in evaluation and at p = 0."""
        if not self.training or self.p == 0:
            return input
        share = self.shared(input)
        if self._binding is None:
            return self._free(input, share)
        if is_traced(input, self.p):
            return self._traced(input, share, self._binding)
        binding = self._binding
        draw = binding.use(self._name)
        address = (binding.seed, draw.site, draw.step, 0)
        return drop(input, self.p, address, share, binding.window(input), inplace=self.inplace)

    def extra_repr(self) -> str:
        """PyTorch's, and the site where one was given."""
        return super().extra_repr() + (f", site={self.site!r}" if self.site is not None else "")

    def shared(self, x: Tensor) -> tuple[int, ...]:
        """The axes of an input that one draw is shared along.

        Raises:
            RuntimeError: PyTorch's own, for a shape that it refuses.
        """
        return ()

    def _free(self, x: Tensor, share: tuple[int, ...]) -> Tensor:
        return thin(x, self.p, (fresh_key(x), 0, 0, 0), share, inplace=self.inplace)

    def _traced(self, x: Tensor, share: tuple[int, ...], binding: Binding) -> Tensor:
        """The address is data that an operator makes, so that no step and no layer recompiles anything."""
        if x.is_nested:
            return ragged(x, share, binding.batch, lambda values: self._traced(values, (), binding))
        if torch.compiler.is_compiling():
            found = ticket(binding, self._place, x)
        elif torch._C._get_tracing_state() is not None:
            raise BindError(
                f"layer {self._name!r} is bound, and torch.jit.trace would freeze its step: every call would have "
                "the same mask. Use torch.compile or torch.export, or trace the model in evaluation."
            )
        else:  # a transformation or a dispatch mode, in eager code: the address is known here
            draw = binding.use(self._name)
            found = torch.tensor([binding.signed_seed, draw.site, draw.step, 0], device="cpu")
        at = with_level(found, self.p)
        result = thin_at(x, at, share, binding.window(x))
        return x.copy_(result) if self.inplace else result

    def join(self, binding: Binding, name: str, place: int) -> None:
        """Draw by this binding from now on, at the site `name`; after it, again by the one before."""
        if self._binding is not None:
            self._former = (*self._former, (self._binding, self._name, self._place))
        self._binding, self._name = binding, name
        self._place = torch.tensor(place, device="cpu")

    def leave(self, binding: Binding) -> None:
        """Draw by the binding before this one, or freely again."""
        self._former = tuple(former for former in self._former if former[0] is not binding)
        if self._binding is not binding:
            return
        self._binding = None
        if self._former:
            *former, (self._binding, self._name, self._place) = self._former
            self._former = tuple(former)


def fresh_key(x: Tensor) -> int | Tensor:
    """A seed from PyTorch's generator, so that `torch.manual_seed` governs it; a tensor where `x` is traced."""
    key = torch.randint(0x7FFFFFFFFFFFFFFF, (), device="cpu")
    return key if is_traced(x) else int(key)


class Dropout(_Layer, nn.Dropout):
    """Zero elements with probability `p` in training: `nn.Dropout` with the law's masks.

        y = k x / (1 - T / 65536),   T = round(65536 p)

    A free layer draws a fresh key from PyTorch's generator at each call, so `torch.manual_seed` governs it. In
    a bound model its mask is `thinned.mask.keep(x.shape, p, seed=seed, site=name, step=step)`.

    Args:
        p: probability of dropping, 0 <= p <= 1; may be set later (`layer.p = 0`).
        inplace: write over the input, under autograd's rules.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ValueError: PyTorch's own, for `p` outside [0, 1].

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.Dropout(0.5)
        >>> _ = torch.manual_seed(0)
        >>> sorted(set(layer(torch.ones(1000)).tolist()))
        [0.0, 2.0]
        >>> layer.eval()(torch.ones(3))
        tensor([1., 1., 1.])

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """


class Dropout1d(_Layer, nn.Dropout1d):
    """Zero whole channels of (batch, channel, length) or (channel, length): one draw for all positions.

    Args and errors are those of `Dropout`; shapes that PyTorch refuses are refused in its words.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.Dropout1d(0.5)(torch.ones(2, 3, 4)).std(dim=2).max()
        tensor(0.)

    References:
        Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object Localization Using Convolutional Networks",
        2015, https://arxiv.org/abs/1411.4280.
    """

    def shared(self, x: Tensor) -> tuple[int, ...]:
        F.dropout1d(x, self.p, training=False)  # says what PyTorch says of this shape, and does nothing
        return position_axes(x.dim(), 1)


class Dropout2d(_Layer, nn.Dropout2d):
    """Zero whole channels of (batch, channel, height, width): one draw for all positions.

    As in PyTorch, three axes are read as (batch, channel, length), with its warning.
    Args and errors are those of `Dropout`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.Dropout2d(0.5)(torch.ones(2, 3, 4, 4)).std(dim=(2, 3)).max()
        tensor(0.)

    References:
        Tompson et al., 2015, https://arxiv.org/abs/1411.4280.
    """

    def shared(self, x: Tensor) -> tuple[int, ...]:
        F.dropout2d(x, self.p, training=False)
        return position_axes(x.dim(), 2)


class Dropout3d(_Layer, nn.Dropout3d):
    """Zero whole channels of (batch, channel, depth, height, width), or of the same without `batch`.

    Args and errors are those of `Dropout`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.Dropout3d(0.5)(torch.ones(2, 3, 2, 2, 2)).std(dim=(2, 3, 4)).max()
        tensor(0.)

    References:
        Tompson et al., 2015, https://arxiv.org/abs/1411.4280.
    """

    def shared(self, x: Tensor) -> tuple[int, ...]:
        F.dropout3d(x, self.p, training=False)
        return position_axes(x.dim(), 3)
