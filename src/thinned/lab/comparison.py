"""Two arms, paired by seed: what each reached, and by how much they differ."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from thinned.lab.records import Record
from thinned.lab.statistics import Interval, mean_interval, paired_interval


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity that arms are compared by.

    Args:
        name: in a record's `final`.
        label: in words.
        unit: after `factor`.
        factor: from the record's unit to this one.
        decimals: to print.
        better: 1 where more is better, -1 where less is.
    """

    name: str
    label: str
    unit: str
    factor: float
    decimals: int
    better: int

    def of(self, record: Record) -> float:
        """The quantity, in `unit`."""
        return record.final[self.name] * self.factor

    def show(self, value: float, *, signed: bool = False) -> str:
        """A value as it is printed; one that rounds to zero has no minus sign."""
        text = f"{value:{'+' if signed else ''}.{self.decimals}f}"
        return text.replace("-", "+" if signed else "") if float(text) == 0 else text

    def show_interval(self, interval: Interval, *, signed: bool = False) -> str:
        """A mean with its interval, as it is printed.

        Example:
            >>> TEST_LOSS.show_interval(mean_interval([0.1, 0.2, 0.3]))
            '0.2000 (-0.0484 to 0.4484)'
        """
        mean, low, high = (
            self.show(value, signed=signed) for value in (interval.estimate, interval.low, interval.high)
        )
        return f"{mean} ({low} to {high})"

    def two_lines(self, interval: Interval, *, signed: bool = False) -> str:
        """A mean, and its interval in the line under it."""
        mean, low, high = (
            self.show(value, signed=signed) for value in (interval.estimate, interval.low, interval.high)
        )
        return f"{mean}\n{low} to {high}"


TEST_ACCURACY = Metric("test_accuracy", "test accuracy", "percentage points", 100, 2, 1)
TEST_LOSS = Metric("test_loss", "test loss", "nats", 1, 4, -1)
GAP = Metric("gap", "generalisation gap", "percentage points", 100, 2, -1)

METRICS = (TEST_ACCURACY, TEST_LOSS, GAP)
"""The first decides; the others explain."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What one arm reached.

    Args:
        name: of the arm.
        finished: how many of its runs finished.
        diverged: how many diverged; they have no final metrics.
        means: of each metric over the finished runs, None where there are fewer than two.
    """

    name: str
    finished: int
    diverged: int
    means: dict[str, Interval | None]


@dataclass(frozen=True, slots=True)
class Pair:
    """The two runs of one seed, both finished.

    Args:
        seed: which both share.
        control: the run of the control arm.
        treated: the run of the other.
    """

    seed: int
    control: Record
    treated: Record

    def has(self, metric: Metric) -> bool:
        """Whether both runs measured it: runs with a validation part have not looked at the test examples."""
        return metric.name in self.control.final and metric.name in self.treated.final

    def difference(self, metric: Metric) -> float:
        """Treated minus control, in the metric's unit."""
        return metric.of(self.treated) - metric.of(self.control)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two arms, compared.

    Args:
        control: the arm that the other is compared with.
        treated: the other.
        pairs: seeds at which both runs finished.
        differences: treated minus control of each metric, over the pairs, in the metric's unit; None where
            there are fewer than two pairs.
    """

    control: Arm
    treated: Arm
    pairs: tuple[Pair, ...]
    differences: dict[str, Interval | None]

    @property
    def verdict(self) -> str:
        """By the interval of the first metric: "helped", "hurt", "undecided", or "unanswered" without one."""
        metric = METRICS[0]
        interval = self.differences[metric.name]
        if interval is None:
            return "unanswered"
        if not interval.excludes_zero:
            return "undecided"
        return "helped" if interval.estimate * metric.better > 0 else "hurt"


def compare(
    records: Sequence[Record], control: str, treated: str, metrics: Sequence[Metric] = METRICS
) -> Comparison:
    """Compare two arms of one design.

    Args:
        records: of that design, by seed; see `Design.select`.
        control: name of the arm that the other is compared with.
        treated: name of the other.
        metrics: the quantities; the first decides.
    """
    by_arm = {name: {each.seed: each for each in records if each.arm == name} for name in (control, treated)}
    pairs = tuple(
        Pair(seed, run, by_arm[treated][seed])
        for seed, run in by_arm[control].items()
        if run.final and seed in by_arm[treated] and by_arm[treated][seed].final
    )
    differences = {
        metric.name: _difference([pair.difference(metric) for pair in pairs if pair.has(metric)])
        for metric in metrics
    }
    one, other = (_arm(name, by_arm[name].values(), metrics) for name in (control, treated))
    return Comparison(one, other, pairs, differences)


def _arm(name: str, runs: Iterable[Record], metrics: Sequence[Metric]) -> Arm:
    all_runs = list(runs)
    finished = [run for run in all_runs if run.final]
    means = {
        metric.name: _interval([metric.of(run) for run in finished if metric.name in run.final])
        for metric in metrics
    }
    return Arm(name, len(finished), len(all_runs) - len(finished), means)


def _interval(values: Sequence[float]) -> Interval | None:
    return mean_interval(values) if len(values) > 1 else None


def _difference(values: Sequence[float]) -> Interval | None:
    return paired_interval(values) if len(values) > 1 else None
