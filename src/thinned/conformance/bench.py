"""Where a subject is measured: its samples, made once and read by many checks, and the false alarms' share."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from thinned.conformance.claim import BLOCK, Claim
from thinned.conformance.outcome import NotApplicableError
from thinned.conformance.subject import Instance, Subject
from thinned.methods.bounds import ALARM, stray_of_share

DRAWS = 2**17
"""Independent draws that a sample should have: the keep rate is then known to within 0.0075."""

CALLS = 64
"""At most, for one sample."""


@dataclass(frozen=True)
class Sample:
    """Outputs of successive calls in training, on one input.

    Args:
        x: the input, axes of the claim's shape; float64.
        y: the outputs, axes (call, *x); float64.
        rate: that was asked for.
        claim: what it is held to.
    """

    x: Any
    y: Any
    rate: float
    claim: Claim

    @cached_property
    def events(self) -> Any:
        """Which were kept: one for each draw, axes (call, *axes that share no draw)."""
        return self.one_of_each(self.claim.kept(self.x, self.y, self.rate))

    @cached_property
    def deviations(self) -> Any:
        """Outputs minus mean over standard deviation, as the method states them; one for each draw."""
        mean, variance = self.claim.moments(self.x, self.rate)
        return self.one_of_each((self.y - mean) / np.sqrt(variance))

    @cached_property
    def factors(self) -> Any:
        """Output over input, of every element."""
        return self.y / self.x

    def one_of_each(self, values: Any) -> Any:
        """The first element of all that share a draw."""
        where = tuple(0 if axis in self.claim.shared else slice(None) for axis in range(self.x.ndim))
        return values[(slice(None), *where)]

    @property
    def independent(self) -> int:
        """How many draws are independent; of blocks, whole channels of a sample count as one."""
        if self.claim.law == BLOCK:
            return int(np.prod(self.y.shape[:3]))
        return int(self.events.size)


class Bench:
    """A subject with a claim.

    Args:
        subject: what is measured.
        claim: what it is held to.
        seed: of its draws and of the inputs.
        alarm: the chance that one check fails a right subject.
        compiler: of PyTorch's `torch.compile`.
    """

    def __init__(
        self, subject: Subject, claim: Claim, seed: int = 0, alarm: float = ALARM, compiler: str = "inductor"
    ) -> None:
        self.subject, self.claim, self.seed, self.alarm = subject, claim, seed, alarm
        self.compiler = compiler
        self.runtime = subject.runtime
        self.rate = claim.rates[0]
        self._samples: dict[float, Sample] = {}

    @property
    def rates(self) -> tuple[float, ...]:
        """Those at which the law is measured."""
        return self.claim.rates

    def inputs(self, shape: tuple[int, ...] | None = None, turn: int = 0) -> Any:
        """Numbers of either sign between 0.5 and 1.5: none is 0, so that what was dropped is seen."""
        draws = np.random.default_rng([self.seed, turn])
        shape = self.claim.shape if shape is None else shape
        sign = np.where(draws.random(shape) < 0.5, -1, 1)
        return ((0.5 + draws.random(shape)) * sign).astype(np.float32)

    def instance(self, rate: float | None = None, turn: int = 0) -> Instance:
        """The subject, freshly made and seeded."""
        made = self.subject.make(self.rate if rate is None else rate, self.seed + turn)
        if hasattr(made, "shape"):
            made.shape = self.claim.shape
        return made

    def sample(self, rate: float) -> Sample:
        """Outputs of enough calls."""
        if rate not in self._samples:
            self._samples[rate] = self.sampled(rate, self.inputs(), self.instance(rate, 1))
        return self._samples[rate]

    def sampled(self, rate: float, x: Any, instance: Instance, calls: int | None = None) -> Sample:
        """The same of an instance of one's own."""
        shape = [size for axis, size in enumerate(x.shape) if axis not in self.claim.shared]
        shape = shape[:2] if self.claim.law == BLOCK else shape
        calls = calls or int(np.clip(DRAWS // max(1, int(np.prod(shape))), 4, CALLS))
        outputs = [
            self.runtime.numpy(instance(self.runtime.array(x))).astype(np.float64) for _ in range(calls)
        ]
        return Sample(x.astype(np.float64), np.stack(outputs), rate, self.claim)

    def observed(self) -> tuple[float, float]:
        """The share of events that really happen, and how far that may be from its chance.

        What is independent, or the same in another mode, is asked of the subject as it is: a wrong rate is told
        once, by the check of the rate.

        Raises:
            NotApplicableError: nothing is ever dropped, or everything.
        """
        sample = self.sample(self.rate)
        share = float(sample.events.mean())
        if share in {0.0, 1.0}:
            raise NotApplicableError(f"{'nothing' if share else 'everything'} is dropped")
        return share, stray_of_share(sample.independent, share, self.alarm / 4)

    def numpy(self, y: Any) -> Any:
        """The subject's array as NumPy's, in float64."""
        return self.runtime.numpy(y).astype(np.float64)
