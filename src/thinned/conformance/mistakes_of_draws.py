"""Dropouts for PyTorch that keep the right share, by draws that depend on each other."""

import torch

from thinned.conformance.mistakes import Right

Tensor = torch.Tensor


class Pairs(Right):
    """Draws for every second element."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        draws = super().draw(x)
        if x.ndim and x.shape[-1] > 1:
            last = x.shape[-1] // 2 * 2
            draws[..., 1:last:2] = draws[..., 0:last:2]
        return draws


class IsSymmetric(Right):
    """Gives element (j, i) the draw of (i, j)."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        draws = super().draw(x)
        if x.ndim > 1:
            size = min(x.shape[-2:])
            square = draws[..., :size, :size].clone()
            draws[..., :size, :size] = square.triu() + square.triu(1).transpose(-1, -2)
        return draws


class RepeatsFarAway(Right):
    """Gives the last fifth of the elements the draws of the first."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        draws = super().draw(x).flatten()
        fifth = x.numel() // 5
        if fifth:
            draws[-fifth:] = draws[:fifth].clone()
        return draws.reshape(x.shape)


class TurnsAround(Right):
    """Gives the last elements the draws of the first, in reverse."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        draws = super().draw(x).flatten()
        half = x.numel() // 2
        if half:
            draws[-half:] = draws[:half].flip(0)
        return draws.reshape(x.shape)


class DropsExactly(Right):
    """Drops as many in each call."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        n = x.numel()
        return ((torch.randperm(n) + 0.5) / max(n, 1)).reshape(x.shape).to(torch.float32)


class RepeatsLanes(Right):
    """Gives the second half of a batch the masks of the first."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        draws = super().draw(x)
        half = len(draws) // 2
        if half:
            draws[half : 2 * half] = draws[:half].clone()
        return draws


class MirrorsFeatures(Right):
    """Gives the last features the masks of the first, in reverse."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        draws = super().draw(x)
        half = x.shape[-1] // 2
        if half > 8:
            draws[..., -half:] = draws[..., :half].flip(-1)
        return draws


class EverySecondCall(Right):
    """Draws at every second call only."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        kept: Tensor | None = self.__dict__.pop("kept", None)
        if kept is not None and kept.shape == x.shape:
            return kept
        draws = self.__dict__["kept"] = super().draw(x)
        return draws


class SameInEachLayer(Right):
    """Seeds a generator of its own, in each layer alike."""

    def __init__(self, p: float) -> None:
        super().__init__(p)
        self.draws = torch.Generator().manual_seed(torch.initial_seed())

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        return torch.rand(x.shape, generator=self.draws)


class PairsWhenCompiled(Pairs):
    """Draws for every second element of a compiled program."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        return super().draw(x) if torch.compiler.is_compiling() else Right.draw(self, x)
