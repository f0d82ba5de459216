"""A question of the user's own: its arms, and how their records answer it."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.comparison import METRICS, Metric
from thinned.lab.configuration import Configuration
from thinned.lab.own_answer import answer, metric_of
from thinned.lab.question import Plan, Question
from thinned.lab.records import canonical
from thinned.lab.sequential import Until
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
        until: the sequential design, where seeds are added until it is decided.

    Raises:
        ConfigurationError: settings that the arms cannot have.
    """

    asks: str
    arms: Mapping[str, Mapping[str, Any]]
    kind: str
    common: Mapping[str, Any]
    decides: str = "test_accuracy"
    more_is_better: bool = True
    until: Until | None = None

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
        } | ({} if self.until is None else {"until": self.until.as_json()})

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
            until = Until.from_json(values["until"]) if "until" in values else None
            return cls(texts[0], arms, values["task"], dict(values["common"]), texts[1], more, until)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ConfigurationError(
                f"expected the arms of a question of one's own; got {values!r:.200}."
            ) from None


def _positive(epochs: Any) -> None:
    if not isinstance(epochs, int) or epochs < 1:
        raise ValueError


def metrics_of(base: object) -> tuple[Metric, ...]:
    """What a table of a study's arms shows: of a task of the user's own, what it decides by, and the loss.

    Args:
        base: of the study's design.
    """
    if not isinstance(base, OwnBase) or base.kind == NETWORKS:
        return METRICS
    loss = Metric("test_loss", "test loss", "", 1, 4, -1)
    return tuple({metric.name: metric for metric in (metric_of(base), loss)}.values())


def own_question(base: OwnBase, seeds: int = 5) -> Question:
    """The question of a study of the user's own; each arm is compared with the first.

    Args:
        base: with the arms.
        seeds: how many, where nobody says.
    """
    return Question(
        name=named(base.asks, base.until),
        asks=base.asks,
        how=(
            f"Each of the {len(base.arms)} arms is trained once for each seed. Runs of one seed begin alike and "
            f"see the same examples in the same order. Each arm is compared with {next(iter(base.arms))}, paired "
            f"by seed, in {metric_of(base).label}, {_corrected(base)}"
        ),
        refuted_by=(
            f"That an arm differs is not shown where the {_intervals(base)} of its difference holds 0."
        ),
        arms=_arms,
        answer=answer,
        quick=Plan("digits", seeds),
        full=Plan("fashion-mnist", seeds),
    )


def named(asks: str, until: Until | None) -> str:
    """Of a question in records and folders; a sequential design has other answers and so another name."""
    return slug(asks) if until is None else f"{slug(asks)}-until"


def _corrected(base: OwnBase) -> str:
    if base.until is None:
        return "and the p-values are corrected by Holm's method for their number."
    looks = ", ".join(map(str, base.until.looks()))
    return (
        f"with repeated confidence intervals: after {looks} seeds, and nowhere between, it is looked at whether "
        f"every difference is shown, or shown to be smaller than {base.until.difference:g}, and then no more seeds "
        "are added. In at least 95 % of such studies all intervals, at all looks, hold the true differences."
    )


def _intervals(base: OwnBase) -> str:
    return "95 % interval" if base.until is None else "repeated confidence interval"


def slug(text: str) -> str:
    """A question as the name of a folder.

    Example:
        >>> slug("Does width matter, really?")
        'does-width-matter-really'
        >>> slug("Régression : ça aide ?")
        'régression-ça-aide'
    """
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", text).lower()).strip("-")[:60] or "study"


def _arms(base: Any, scope: object) -> Mapping[str, Any]:
    return dict(base.settings())
