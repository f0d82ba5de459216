"""Dropouts for PyTorch with one mistake each, and one with none: what the checks are tried on."""

import math

import numpy as np
import torch
from torch import nn

Tensor = torch.Tensor


class Right(nn.Module):
    """Dropout as it should be, in plain PyTorch."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.check(p)
        self.p = p

    def check(self, p: float) -> None:
        """Refuse what is no probability."""
        if not 0 <= p <= 1:
            raise ValueError(f"expected a probability; got {p}")

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return self.thinned(x) if self.training else self.whole(x)

    def thinned(self, x: Tensor) -> Tensor:
        """What training gives."""
        return self.apply_to(x, self.mask(x), self.factor())

    def whole(self, x: Tensor) -> Tensor:
        """What evaluation gives."""
        return x

    def draw(self, x: Tensor) -> Tensor:
        """Uniforms of float32, one an element, that lie in memory as `x` does."""
        return torch.empty_like(x, dtype=torch.float32).uniform_()

    def mask(self, x: Tensor) -> Tensor:
        """What is kept."""
        return self.draw(x) >= self.p

    def factor(self) -> float:
        """What it is multiplied by."""
        return 0.0 if self.p == 1 else 1 / (1 - self.p)

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:
        """Kept ones times the factor, zeros elsewhere."""
        return torch.where(mask, x * factor, torch.zeros((), dtype=x.dtype))


class DropsTooFew(Right):
    """Drops a tenth too few at rate 1/2, and scales as if it did not."""

    def mask(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.draw(x) >= self.p - 0.2 * self.p * (1 - self.p)


class DrawsCoarsely(Right):
    """Draws uniforms of ten bits, so that rate 0.001 is 0.002."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        draws = super().draw(x)
        return draws.mul_(1024).floor_().div_(1024) if x.dtype == torch.float32 else draws


class ForgetsScale(Right):
    """Does not scale."""

    def factor(self) -> float:  # noqa: D102
        return 1.0


class ForgetsRoot(Right):
    """Gaussian dropout that takes the variance for the standard deviation."""

    def thinned(self, x: Tensor) -> Tensor:  # noqa: D102
        return x * (1 + torch.randn_like(x) * self.p / (1 - self.p)) if self.p < 1 else x * 0


class ScalesAlmost(Right):
    """Scales by three parts in a thousand too much."""

    def factor(self) -> float:  # noqa: D102
        return super().factor() * (1 + 0.012 * self.p * (1 - self.p))


class DropsOneByOne(Right):
    """Claims to drop channels, and drops elements."""


class DropsAtZero(Right):
    """Drops one element in two thousand at rate 0."""

    def mask(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.draw(x) >= (self.p or 1 / 2000)


class DividesByZero(Right):
    """Multiplies a mask of numbers, so that rate 1 is 0 times infinity."""

    def factor(self) -> float:  # noqa: D102
        return math.inf if self.p == 1 else super().factor()

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:  # noqa: D102
        return x * mask * factor


class TakesAnyRate(Right):
    """Takes any number for a rate."""

    def check(self, p: float) -> None:  # noqa: D102
        return

    def factor(self) -> float:  # noqa: D102
        return 0.0 if self.p >= 1 or self.p != self.p else 1 / (1 - self.p)


class NeedsSamples(Right):
    """Fails where there are no samples."""

    def mask(self, x: Tensor) -> Tensor:  # noqa: D102
        x.reshape(-1)[0]
        return super().mask(x)


class HasAPeriod(Right):
    """Draws 2^20 uniforms at most, and repeats them."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        if x.numel() <= 2**20:
            return super().draw(x)
        few = torch.rand(2**20)
        many = few.repeat(-(-x.numel() // 2**20))
        return many[: x.numel()].reshape(x.shape)


class ScalesTwice(Right):
    """Scales in evaluation too."""

    def whole(self, x: Tensor) -> Tensor:  # noqa: D102
        return x * (1 - self.p)


class OffForEver(Right):
    """Overwrites its rate in evaluation."""

    def whole(self, x: Tensor) -> Tensor:  # noqa: D102
        self.p = 0.0
        return x


class KeepsItsMask(Right):
    """Draws its mask once."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        kept = self.__dict__.get("kept")
        if kept is None or kept.shape != x.shape:
            kept = self.__dict__["kept"] = super().draw(x)
        return kept


class AsksTheSystem(Right):
    """Draws from a generator that the operating system seeds."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        draws = torch.Generator()
        draws.seed()
        return torch.rand(x.shape, generator=draws)


class SeedsItself(Right):
    """Draws from a generator with a seed of its own, whatever the user's is."""

    def __init__(self, p: float) -> None:
        super().__init__(p)
        self.draws = torch.Generator().manual_seed(1)

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        return torch.rand(x.shape, generator=self.draws)


class SeedsEverything(Right):
    """Seeds the generator of all at each call: from its last seed, so that its own masks are right."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        torch.manual_seed((torch.initial_seed() * 6364136223846793005 + 1442695040888963407) % 2**63)
        return super().draw(x)


class DisturbsNumPy(Right):
    """Draws from NumPy's generator on the way."""

    def mask(self, x: Tensor) -> Tensor:  # noqa: D102
        np.random.rand()  # noqa: NPY002
        return super().mask(x)


class OwnGenerator(Right):
    """Draws from a generator of its own, which no checkpoint restores."""

    def __init__(self, p: float) -> None:
        super().__init__(p)
        self.draws = torch.Generator().manual_seed(int(torch.randint(2**31, ())))

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        return torch.rand(x.shape, generator=self.draws)


class Widens(Right):
    """Returns float64 from float32."""

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:  # noqa: D102
        return super().apply_to(x.double() if x.dtype == torch.float32 else x, mask, factor)


class OverwritesInput(Right):
    """Leaves its output in its input."""

    def thinned(self, x: Tensor) -> Tensor:  # noqa: D102
        y = super().thinned(x)
        x.data.copy_(y.detach())
        return y


class ReadsMemory(Right):
    """Reads memory in its own order."""

    def thinned(self, x: Tensor) -> Tensor:  # noqa: D102
        straight = x if x.is_contiguous() else x.as_strided(x.shape, torch.empty(x.shape).stride())
        return (
            torch.empty_like(x).copy_(super().thinned(straight)) if straight is not x else super().thinned(x)
        )


class LosesStrides(Right):
    """Returns an array in its own order of memory."""

    def thinned(self, x: Tensor) -> Tensor:  # noqa: D102
        return super().thinned(x).contiguous()


class HidesNaN(Right):
    """Makes zeros of NaN."""

    def thinned(self, x: Tensor) -> Tensor:  # noqa: D102
        return super().thinned(x.nan_to_num())


class OnlyMatrices(Right):
    """Takes arrays of two axes only."""

    def thinned(self, x: Tensor) -> Tensor:  # noqa: D102
        if x.ndim != 2:
            raise ValueError("expected two axes")
        return super().thinned(x)


class DrawsInHalf(Right):
    """Draws in the type of its input."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        return torch.empty_like(x).uniform_()


class DropsZeroInHalf(DrawsInHalf):
    """Draws in the type of its input, and keeps what is above the rate."""

    def mask(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.draw(x) > self.p


class Narrows(Right):
    """Returns float32 from float64."""

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:  # noqa: D102
        return super().apply_to(x.float() if x.dtype == torch.float64 else x, mask, factor)


class FrozenWhenCompiled(Right):
    """Is a constant of a compiled program."""

    def mask(self, x: Tensor) -> Tensor:  # noqa: D102
        if torch.compiler.is_compiling():
            return torch.arange(x.numel()).reshape(x.shape) % 2 == 0
        return super().mask(x)


class MirrorsWhenCompiled(Right):
    """Draws the other way round in a compiled program."""

    def draw(self, x: Tensor) -> Tensor:  # noqa: D102
        draws = super().draw(x)
        return 1 - draws if torch.compiler.is_compiling() else draws


class LooksAtValues(Right):
    """Decides by values, which vmap does not allow."""

    def thinned(self, x: Tensor) -> Tensor:  # noqa: D102
        if bool((x == 0).all()) and x.numel() > 2**30:
            return x
        return super().thinned(x)
