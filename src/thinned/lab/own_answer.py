"""What the records of a question of the user's own say: each arm beside the first, paired by seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thinned.lab.answer import Answer, Cell, Chart, Series, Table, shown
from thinned.lab.comparison import Metric
from thinned.lab.contrasts import ALPHA, chance
from thinned.lab.records import Record
from thinned.lab.sequential import Look, look, seeds_needed, spread_of
from thinned.lab.statistics import Interval, holm, mean_interval, paired_interval
from thinned.lab.wording import NOTHING_VARIES, UNITS, brief, count, listed

if TYPE_CHECKING:
    from thinned.lab.own_study import OwnBase
    from thinned.lab.question import Design


NAMED = 2
"""Arms that the short sentence gives figures of."""


def metric_of(base: "OwnBase") -> Metric:
    """The quantity that decides; accuracies are told in percentage points."""
    label = base.decides.replace("_", " ")
    if base.decides == "test_accuracy":
        return Metric(base.decides, label, "percentage points", 100, 2, 1)
    return Metric(base.decides, label, "", 1, 4, 1 if base.more_is_better else -1)


def answer(design: "Design", records: Sequence[Record]) -> Answer:
    """Each arm minus the first, paired by seed, in the quantity that decides."""
    base: Any = design.base
    metric = metric_of(base)
    records, found = _judged(base, metric, records)
    verdict, sentence = _said(base, metric, found, records)
    return Answer(
        verdict,
        sentence,
        _power(base, found, metric, records),
        _charts(base, metric, found),
        (_table(base, metric, found),),
        _brief(base, metric, found, records),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What the arms reached, and what is said of their differences.

    Args:
        reached: of each arm, the value at each seed.
        differences: of each arm but the first, those from it, at each seed of both.
        intervals: of the means of those that have two values or more.
        adjusted: their p-values, corrected for their number.
        look: of a sequential design.
    """

    reached: Mapping[str, Mapping[int, float]]
    differences: Mapping[str, Mapping[int, float]]
    intervals: Mapping[str, Interval]
    adjusted: Mapping[str, float]
    look: Look | None = None


def _judged(base: "OwnBase", metric: Metric, records: Sequence[Record]) -> tuple[Sequence[Record], _Found]:
    """The records that count, all of them but in a sequential design, and what they say."""
    at: Look | None = None
    if base.until is not None:
        at = looked(base, records)
        records = [record for record in records if record.seed < at.seeds]
    reached = _reached(base, metric, records)
    differences = _differences(base, reached)
    if at is not None:
        p = {arm: float(interval.p or 0.0) for arm, interval in at.intervals.items()}
        return records, _Found(reached, differences, at.intervals, p, at)
    several = {arm: tuple(values.values()) for arm, values in differences.items() if len(values) > 1}
    intervals = {arm: paired_interval(values) for arm, values in several.items()}
    adjusted = holm([chance(values) for values in several.values()])
    return records, _Found(reached, differences, intervals, dict(zip(intervals, adjusted, strict=True)))


def looked(base: "OwnBase", records: Sequence[Record]) -> Look:
    """Where a sequential study of these records is; a seed counts when every arm has an outcome at it."""
    assert base.until is not None  # noqa: S101 - the caller's business
    arms: dict[int, set[str]] = {}
    for record in records:
        arms.setdefault(record.seed, set()).add(record.arm)
    done = [seed for seed, there in arms.items() if there >= set(base.arms)]
    return look(base.until, done, _differences(base, _reached(base, metric_of(base), records)))


def _reached(base: "OwnBase", metric: Metric, records: Sequence[Record]) -> dict[str, dict[int, float]]:
    return {
        arm: {run.seed: metric.of(run) for run in records if run.arm == arm and metric.name in run.final}
        for arm in base.arms
    }


def _differences(base: "OwnBase", reached: Mapping[str, Mapping[int, float]]) -> dict[str, dict[int, float]]:
    control, *others = base.arms
    return {
        arm: {
            seed: reached[arm][seed] - value
            for seed, value in reached[control].items()
            if seed in reached[arm]
        }
        for arm in others
    }


def _said(base: "OwnBase", metric: Metric, found: _Found, records: Sequence[Record]) -> tuple[str, str]:
    """The verdict and the sentence."""
    control = next(iter(base.arms))
    diverged = sum(not record.final for record in records)
    end = f"; {diverged} of {len(records)} runs diverged and are in no difference" * bool(diverged)
    absent = listed([arm for arm, values in found.reached.items() if not values])
    end += f"; no run of {absent} has finished" * bool(absent and records)
    if not found.intervals:
        wanted = "two seeds that finished in two arms" if found.look is None else "the first look"
        return "unanswered", f"There is no answer yet: it needs {wanted}{end}."
    unit = f" {metric.unit}" if metric.unit else ""
    each = "; ".join(
        f"{arm}: {metric.show_interval(interval, signed=True)}{unit}"
        for arm, interval in found.intervals.items()
    )
    seeds = len({record.seed for record in records})
    which = (
        "95 % intervals"
        if found.look is None
        else "intervals that hold together, at every look, in 95 % of studies"
    )
    return _verdict(found, metric), (
        f"{_opening(base, found, metric)}: on {records[0].data['name']}, over {seeds} paired seeds, {metric.label} "
        f"differs from that of {control} by the following (with {which}): {each}{end}."
    )


def _brief(base: "OwnBase", metric: Metric, found: _Found, records: Sequence[Record]) -> str:
    """The opening, and the figures of those that differ, or else of the first."""
    if not found.intervals:
        return ""
    arms = _claims(found) or list(found.intervals)
    control, unit = next(iter(base.arms)), UNITS.get(metric.unit, metric.unit)
    which = "95 % interval" if found.look is None else "repeated confidence interval"
    said = [_change(found.intervals[arm], metric, which, unit) + f" with {arm}" for arm in arms[:NAMED]]
    more = [f"so on for {count(len(arms) - NAMED, 'more arm')}"] if len(arms) > NAMED else []
    figure = f"against {control}, {metric.label} changes by {listed([*said, *more])}"
    return brief(_opening(base, found, metric), figure, records)


def _change(interval: Interval, metric: Metric, which: str, unit: str) -> str:
    shown, _, ends = metric.show_interval(interval, signed=True).partition(" (")
    return f"{shown}{' ' * bool(unit)}{unit} ({which} {ends}"


def _claims(found: _Found) -> list[str]:
    if found.look is not None:
        return [arm for arm, ruling in found.look.rulings.items() if ruling == "shown"]
    return [arm for arm in found.intervals if found.adjusted[arm] < ALPHA]


def _verdict(found: _Found, metric: Metric) -> str:
    claims = _claims(found)
    if not claims:
        return "small" if found.look is not None and found.look.decided else "undecided"
    good = [arm for arm in claims if found.intervals[arm].estimate * metric.better > 0]
    return "helped" if good == claims else "hurt" if not good else "mixed"


def _opening(base: "OwnBase", found: _Found, metric: Metric) -> str:
    claims = _claims(found)
    differ = f"{', '.join(claims)} differ{'s' * (len(claims) == 1)}"
    if found.look is None:
        if not claims:
            return "No difference is shown"
        if len(found.intervals) == 1:
            return differ.capitalize() if differ.islower() else differ
        return f"After correction for {len(found.intervals)} comparisons, {differ}"
    assert base.until is not None  # noqa: S101 - there is a look
    small = [arm for arm, ruling in found.look.rulings.items() if ruling == "small"]
    limit = f"{base.until.difference:g} {metric.unit or 'in ' + metric.label}"
    said = [differ] * bool(claims)
    said += [f"the difference of {', '.join(small)} is shown to be smaller than {limit}"] * bool(small)
    left = [arm for arm, ruling in found.look.rulings.items() if ruling == "open"]
    if left:
        more = "no seed is left in this design" if found.look.next is None else "more seeds are to come"
        said.append(f"{', '.join(left)} {'is' if len(left) == 1 else 'are'} undecided, and {more}")
    text = "; ".join(said)
    return text[:1].upper() + text[1:]


def _power(base: "OwnBase", found: _Found, metric: Metric, records: Sequence[Record]) -> str:
    seeds = len({record.seed for record in records})
    if not found.intervals:
        return f"{seeds} seed{'s' * (seeds != 1)} so far."
    largest = max(interval.detectable for interval in found.intervals.values())
    if not largest:
        return f"{seeds} seeds; {NOTHING_VARIES}."
    at = "" if found.look is None else ", at this look"
    power = (
        f"{seeds} seeds; a true change of {metric.show(largest)} {metric.unit or 'in ' + metric.label} in each "
        f"comparison by itself would be shown four times in five by runs this noisy{at}."
    )
    return power if base.until is None else f"{power} {_pilot(base, found, metric)}".rstrip()


def _pilot(base: "OwnBase", found: _Found, metric: Metric) -> str:
    """What the seeds of the first look say of how many are needed."""
    assert base.until is not None  # noqa: S101 - the caller's business
    pilots = {
        arm: [value for seed, value in values.items() if seed < base.until.first]
        for arm, values in found.differences.items()
    }
    noisiest = max(pilots.values(), key=spread_of)
    if not spread_of(noisiest):
        return ""
    needed = seeds_needed(noisiest, base.until.difference)
    return (
        f"By the first {base.until.first} seeds, a design of fixed size would need {needed.seeds} to show "
        f"{needed.difference:g} four times in five, or {needed.cautious} if their spread was small by luck."
    )


def _charts(base: "OwnBase", metric: Metric, found: _Found) -> tuple[Chart, ...]:
    control, unit = next(iter(base.arms)), f", {metric.unit}" if metric.unit else ""
    charts: list[Chart] = []
    if found.intervals:
        values = tuple(tuple(found.differences[arm].values()) for arm in found.intervals)
        row = Series(f"minus {control}", tuple(found.intervals), tuple(found.intervals.values()), values)
        title, label = f"Each arm minus {control}", f"change in {metric.label}{unit}"
        charts.append(Chart("intervals", title, "arm", label, (row,), reference=0.0))
    levels = {arm: tuple(values.values()) for arm, values in found.reached.items() if len(values) > 1}
    if levels:
        means = tuple(mean_interval(values) for values in levels.values())
        row = Series("mean", tuple(levels), means, tuple(levels.values()))
        charts.append(Chart("intervals", "What each arm reached", "arm", f"{metric.label}{unit}", (row,)))
    return tuple(charts)


def _table(base: "OwnBase", metric: Metric, found: _Found) -> Table:
    rows: list[tuple[str | float | Cell, ...]] = []
    show: Callable[..., Cell] = shown
    for arm, values in found.reached.items():
        level = show(mean_interval(tuple(values.values())), metric.decimals) if len(values) > 1 else Cell("-")
        change, p = Cell(""), Cell("")
        if arm in found.intervals:
            change = show(found.intervals[arm], metric.decimals, signed=True)
            p = Cell(f"{found.adjusted[arm]:.3f}", found.adjusted[arm])
        rows.append((arm, len(values), level, change, p))
    unit = f", {metric.unit}" if metric.unit else ""
    kind = "p, Holm" if base.until is None else "p, all looks"
    heads = ("arm", "runs", f"{metric.label}{unit}", f"difference{unit}", kind)
    note = "Means and differences with 95 % intervals, paired by seed."
    if base.until is not None:
        note = "Means with 95 % intervals; differences, paired by seed, with repeated confidence intervals."
    return Table("The arms", heads, tuple(rows), note)
