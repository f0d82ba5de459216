"""A question of the user's own: its arms, and how their records answer it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.answer import Answer, Cell, Chart, Series, Table, shown
from thinned.lab.comparison import Metric
from thinned.lab.configuration import Configuration
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record, canonical
from thinned.lab.statistics import Interval, holm, mean_interval
from thinned.lab.task import Settings

OWN, NETWORKS = "own", "networks"
"""What a record says under `task`: a module of the user's own, or arms of the user's own on our networks."""


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """What one arm of a module of the user's own trains.

    Args:
        text: canonical JSON of everything that the outcome depends on.
        epochs: passes over the training examples.
    """

    text: str
    epochs: int

    @classmethod
    def of(cls, settings: Mapping[str, Any], common: Mapping[str, Any]) -> "OwnSettings":
        """An arm's own settings with those that all arms share.

        Raises:
            ConfigurationError: settings that are no plain values.
        """
        try:
            text = canonical({"task": OWN, "settings": dict(settings), **common})
        except (TypeError, ValueError):
            raise ConfigurationError(
                f"expected settings of plain values, which a record can hold; got {dict(settings)!r:.200}. Give, "
                "for example, a name, and let the factory look it up."
            ) from None
        return cls(text, common["epochs"])

    def as_json(self) -> dict[str, Any]:
        """Plain values, as a record holds them."""
        found: dict[str, Any] = json.loads(self.text)
        return found


@dataclass(frozen=True, slots=True)
class OwnBase:
    """What all arms of a question of the user's own share, and the arms.

    Args:
        asks: the question.
        arms: the settings of each, the control first.
        kind: `OWN` or `NETWORKS`.
        common: of a module of the user's own its `epochs, batch, code`; of our networks the configuration that
            each arm changes.
        decides: the name of the quantity that decides, in a record's `final`.
        more_is_better: whether more of it is better.

    Raises:
        ConfigurationError: settings that the arms cannot have.
    """

    asks: str
    arms: Mapping[str, Mapping[str, Any]]
    kind: str
    common: Mapping[str, Any]
    decides: str = "test_accuracy"
    more_is_better: bool = True

    def __post_init__(self) -> None:
        self.settings()

    def settings(self) -> dict[str, Settings]:
        """What each arm trains."""
        if self.kind == OWN:
            return {name: OwnSettings.of(settings, self.common) for name, settings in self.arms.items()}
        base = Configuration.from_json(self.common)
        return {name: base.changed(settings) for name, settings in self.arms.items()}

    def as_json(self) -> dict[str, Any]:
        """Plain values, as a record holds them."""
        return {
            "task": self.kind,
            "asks": self.asks,
            # JSON's objects have no order that a sorted record would keep.
            "arms": [[name, dict(settings)] for name, settings in self.arms.items()],
            "common": dict(self.common),
            "decides": self.decides,
            "more_is_better": self.more_is_better,
        }

    def told(self) -> list[tuple[str, str]]:
        """The arms with their settings, in words."""
        return [
            (
                f"Arm {name}",
                ", ".join(f"{key} {value}" for key, value in settings.items()) or "nothing changed",
            )
            for name, settings in self.arms.items()
        ]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "OwnBase":
        """What `as_json` wrote.

        Raises:
            ConfigurationError: what it did not write.
        """
        try:
            arms = {str(name): dict(settings) for name, settings in values["arms"]}
            texts = [values[name] for name in ("asks", "decides")]
            if len(arms) < 2 or not all(isinstance(each, str) and each for each in texts):
                raise ValueError
            if values["task"] == OWN:
                _positive(values["common"]["epochs"])
            more = bool(values["more_is_better"])
            return cls(texts[0], arms, values["task"], dict(values["common"]), texts[1], more)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ConfigurationError(
                f"expected the arms of a question of one's own; got {values!r:.200}."
            ) from None


def _positive(epochs: Any) -> None:
    if not isinstance(epochs, int) or epochs < 1:
        raise ValueError


def own_question(base: OwnBase, seeds: int = 5) -> Question:
    """The question of a study of the user's own; each arm is compared with the first.

    Args:
        base: with the arms.
        seeds: how many, where nobody says.
    """
    return Question(
        name=slug(base.asks),
        asks=base.asks,
        how=(
            f"Each of the {len(base.arms)} arms is trained once for each seed. Runs of one seed begin alike and "
            f"see the same examples in the same order. Each arm is compared with {next(iter(base.arms))}, paired "
            f"by seed, in {_metric(base).label}, and the p-values are corrected by Holm's method for their number."
        ),
        refuted_by="That an arm differs is not shown where the 95 % interval of its difference holds 0.",
        arms=_arms,
        answer=answer,
        quick=Plan("digits", seeds),
        full=Plan("fashion-mnist", seeds),
    )


def slug(text: str) -> str:
    """A question as the name of a folder.

    Example:
        >>> slug("Does width matter, really?")
        'does-width-matter-really'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "study"


def _arms(base: Any, scope: object) -> Mapping[str, Any]:
    return dict(base.settings())


def _metric(base: OwnBase) -> Metric:
    label = base.decides.replace("_", " ")
    if base.decides == "test_accuracy":
        return Metric(base.decides, label, "percentage points", 100, 2, 1)
    return Metric(base.decides, label, "", 1, 4, 1 if base.more_is_better else -1)


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """Each arm minus the first, paired by seed, in the quantity that decides."""
    base: Any = design.base
    metric = _metric(base)
    control, *others = base.arms
    reached = {
        arm: {run.seed: metric.of(run) for run in records if run.arm == arm and metric.name in run.final}
        for arm in base.arms
    }
    differences = {
        arm: tuple(
            reached[arm][seed] - value for seed, value in reached[control].items() if seed in reached[arm]
        )
        for arm in others
    }
    intervals = {arm: mean_interval(values) for arm, values in differences.items() if len(values) > 1}
    adjusted = dict(
        zip(intervals, holm([float(interval.p or 0.0) for interval in intervals.values()]), strict=True)
    )
    verdict, sentence = _said(base, metric, intervals, adjusted, records)
    return Answer(
        verdict,
        sentence,
        _power(intervals, metric, records),
        _charts(base, metric, reached, differences, intervals),
        (_table(metric, reached, intervals, adjusted),),
    )


def _said(
    base: OwnBase,
    metric: Metric,
    intervals: Mapping[str, Interval],
    adjusted: Mapping[str, float],
    records: Sequence[Record],
) -> tuple[str, str]:
    """The verdict and the sentence."""
    control = next(iter(base.arms))
    diverged = sum(not record.final for record in records)
    end = f"; {diverged} of {len(records)} runs diverged and are in no difference" * bool(diverged)
    if not intervals:
        return "unanswered", f"There is no answer yet: it needs two seeds that finished in two arms{end}."
    claims = [arm for arm in intervals if adjusted[arm] < 0.05]
    good = [arm for arm in claims if intervals[arm].estimate * metric.better > 0]
    verdict = "undecided" if not claims else "helped" if good == claims else "hurt" if not good else "mixed"
    unit = f" {metric.unit}" if metric.unit else ""
    each = "; ".join(
        f"{arm}: {metric.show_interval(interval, signed=True)}{unit}" for arm, interval in intervals.items()
    )
    seeds = len({record.seed for record in records})
    opening = (
        f"After correction for {len(intervals)} comparisons, {', '.join(claims)} differ{'s' * (len(claims) == 1)}"
        if claims
        else "No difference is shown"
    )
    return verdict, (
        f"{opening}: on {records[0].data['name']}, over {seeds} paired seeds, {metric.label} differs from that of "
        f"{control} by the following (with 95 % intervals): {each}{end}."
    )


def _power(intervals: Mapping[str, Interval], metric: Metric, records: Sequence[Record]) -> str:
    seeds = len({record.seed for record in records})
    if not intervals:
        return f"{seeds} seed{'s' * (seeds != 1)} so far."
    largest = max(interval.detectable for interval in intervals.values())
    return (
        f"{seeds} seeds; a true change of {metric.show(largest)} {metric.unit or 'in ' + metric.label} in each "
        "comparison by itself would be shown four times in five by runs this noisy."
    )


def _charts(
    base: OwnBase,
    metric: Metric,
    reached: Mapping[str, Mapping[int, float]],
    differences: Mapping[str, tuple[float, ...]],
    intervals: Mapping[str, Interval],
) -> tuple[Chart, ...]:
    control, unit = next(iter(base.arms)), f", {metric.unit}" if metric.unit else ""
    found: list[Chart] = []
    if intervals:
        values = tuple(differences[arm] for arm in intervals)
        row = Series(f"minus {control}", tuple(intervals), tuple(intervals.values()), values)
        title, label = f"Each arm minus {control}", f"change in {metric.label}{unit}"
        found.append(Chart("intervals", title, "arm", label, (row,), reference=0.0))
    levels = {arm: tuple(values.values()) for arm, values in reached.items() if len(values) > 1}
    if levels:
        means = tuple(mean_interval(values) for values in levels.values())
        row = Series("mean", tuple(levels), means, tuple(levels.values()))
        found.append(Chart("intervals", "What each arm reached", "arm", f"{metric.label}{unit}", (row,)))
    return tuple(found)


def _table(
    metric: Metric,
    reached: Mapping[str, Mapping[int, float]],
    intervals: Mapping[str, Interval],
    adjusted: Mapping[str, float],
) -> Table:
    rows: list[tuple[str | float | Cell, ...]] = []
    show: Callable[..., Cell] = shown
    for arm, values in reached.items():
        level = show(mean_interval(tuple(values.values())), metric.decimals) if len(values) > 1 else Cell("-")
        change, p = Cell(""), Cell("")
        if arm in intervals:
            change = show(intervals[arm], metric.decimals, signed=True)
            p = Cell(f"{adjusted[arm]:.3f}", adjusted[arm])
        rows.append((arm, len(values), level, change, p))
    unit = f", {metric.unit}" if metric.unit else ""
    heads = ("arm", "runs", f"{metric.label}{unit}", f"difference{unit}", "p, Holm")
    return Table("The arms", heads, tuple(rows), "Means and differences with 95 % intervals, paired by seed.")
