"""The draws of many networks at once, as factors and terms: every law that is no plain dropout behind a ReLU."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from thinned.mask.address import seed64
from thinned.mask.sharing import layout
from thinned.methods.law import (
    ADD,
    HALF,
    MULTIPLY,
    NORMAL,
    SELECT,
    WRITE,
    Law,
    LawPlan,
    Setting,
)
from thinned.torch import _gpu, _kernel
from thinned.torch._ticket import signed


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """One tensor of draws for many networks.

    Args:
        site: of the layer, as an integer.
        seeds: of each network.
        settings: what is written in each network, all of one draw; see `thinned.methods.law.WRITE`.
        tables: seeds (int64), levels (int32), and the two numbers of each setting (float32), on the device.
        dtype: of what is written.
    """

    site: int
    seeds: tuple[int, ...]
    settings: tuple[Setting, ...]
    tables: tuple[Tensor, Tensor, Tensor, Tensor]
    dtype: torch.dtype

    @classmethod
    def of(
        cls,
        site: int,
        seeds: Sequence[int],
        settings: Sequence[Setting],
        device: torch.device,
        dtype: torch.dtype,
    ) -> "Written":
        """Tables for these networks."""
        half = settings[0].draw == HALF
        numbers = [(each.b, each.c) if half else (each.a, each.b) for each in settings]
        first, second = (
            torch.tensor(column, dtype=torch.float64).to(device, torch.float32)
            for column in zip(*numbers, strict=True)
        )
        levels = torch.tensor([each.level for each in settings], dtype=torch.int32, device=device)
        keys = torch.tensor([signed(seed) for seed in seeds], dtype=torch.int64, device=device)
        return cls(site, tuple(map(seed64, seeds)), tuple(settings), (keys, levels, first, second), dtype)

    def draw(self, shape: tuple[int, ...], step: int, draw: int = 0) -> Tensor:
        """Axes (network, *shape): each network's draws at its own (seed, site, step, draw)."""
        device = self.tables[0].device
        y = torch.empty((len(self.seeds), *shape), dtype=self.dtype, device=device)
        kind = self.settings[0].draw
        if self.dtype == torch.float32 and _gpu.serves(y):
            with _gpu.current(y.device):
                _gpu.kernels().write_stack(
                    y, *self.tables, y[0].numel(), len(self.seeds), self.site, step, draw, kind
                )
            return y
        where = layout(shape, wide=kind == NORMAL)
        for n, (seed, setting) in enumerate(zip(self.seeds, self.settings, strict=True)):
            _kernel.drawn(y[n], LawPlan(where, _WRITES, 0, setting), (seed, self.site, step, draw))
        return y


_WRITES = Law("written for many networks", lambda _: Setting(HALF, WRITE), passes=True)
"""Has the settings that it is given."""


@dataclass(frozen=True, slots=True, eq=False)
class Perturbation:
    """What a layer of any law does in many networks: `y = x f + t`.

    Args:
        factor: f, or None.
        term: t, or None.
        drawn_shape: from the shape of a network's input to that of its draws, which is spread over it.
        spread: how many consecutive units share a draw.
    """

    factor: Written | None
    term: Written | None
    drawn_shape: Callable[[tuple[int, ...]], tuple[int, ...]]
    spread: int = 1

    def __call__(self, x: Tensor, step: int, draw: int = 0) -> Tensor:
        """Of axes (network, example, unit); `x` may lack the first."""
        shape = self.drawn_shape(tuple(x.shape[-2:]))
        if self.factor is not None:
            x = x * self._drawn(self.factor, shape, step, draw)
        return x if self.term is None else x + self._drawn(self.term, shape, step, draw)

    def _drawn(self, written: Written, shape: tuple[int, ...], step: int, draw: int) -> Tensor:
        found = written.draw(shape, step, draw)
        return found if self.spread == 1 else found.repeat_interleave(self.spread, -1)


def perturbation(
    law: Law,
    site: int,
    seeds: Sequence[int],
    strengths: Sequence[float],
    device: torch.device,
    dtype: torch.dtype,
    *,
    spread: int = 1,
    batchwise: bool = False,
) -> Perturbation | None:
    """That of a law at the strengths of each network; None where all are 0.

    Raises:
        RateError: a strength that the law has no amount for.
    """  # fmt: skip
    if not any(strengths):
        return None
    settings = [law.setting(law.amount(value)) for value in strengths]

    def written(choose: Callable[[Setting], Setting]) -> Written:
        return Written.of(site, seeds, [choose(each) for each in settings], device, dtype)

    factor: Written | None = None
    term: Written | None = None
    draw, combine = law.kind
    if combine == SELECT:
        factor = written(lambda each: Setting(HALF, WRITE, each.level, b=each.a, c=0.0))
        if any(each.b or each.c for each in settings):
            term = written(lambda each: Setting(HALF, WRITE, each.level, b=each.b, c=each.c))
    elif combine == MULTIPLY:
        factor = written(lambda each: _smooth(each, draw, MULTIPLY))
    else:
        term = written(lambda each: _smooth(each, draw, ADD))
    shape = (
        (lambda size: (1, size[1] // spread))
        if batchwise
        else (lambda size: (*size[:-1], size[-1] // spread))
    )
    return Perturbation(factor, term, shape, spread)


def _smooth(setting: Setting, draw: int, combine: int) -> Setting:
    """`f = b + a z`; of a strength at the end of its range, a factor or a term that does not depend on the draw."""
    if setting.draw == draw and setting.combine == combine:
        return Setting(draw, WRITE, a=setting.a, b=setting.b)
    kept = float(setting.level == 0)
    return Setting(draw, WRITE, a=0.0, b=kept if combine == MULTIPLY else 0.0)
