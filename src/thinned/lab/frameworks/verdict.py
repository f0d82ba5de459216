"""What the trainings of several frameworks say together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thinned.lab.frameworks.catalogue import Found
from thinned.lab.frameworks.equivalence import Equivalence, equivalence
from thinned.lab.frameworks.records import Run

FLOAT64, FLOAT32 = 1e-8, 1e-5
"""The largest relative difference of a loss, over `STEPS64` steps in float64 and the first `STEPS32` in float32."""

STEPS64, STEPS32 = 200, 20

ENOUGH = 10
"""Restarts below which equivalence is rarely shown, even where frameworks end at the same place."""


@dataclass(frozen=True, slots=True)
class Runs:
    """The trainings of one framework.

    Args:
        found: the framework and its versions.
        exact: in float64, with the law's masks.
        plain: in float32, with the law's masks.
        restarts: the same, from weights moved by one unit in the last place.
        built_in: in float64, with the framework's own dropout.
    """

    found: Found
    exact: Run
    plain: Run
    restarts: tuple[Run, ...]
    built_in: Run


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of one framework.

    Args:
        runs: where it comes from.
        masks: how many were compared with the law, in all its trainings.
        elements: how many elements those have.
        mismatches: elements that are not the law's.
        chains: whether the masks that the network showed form the law's chain, in each training.
        float64: the largest relative difference of a loss from the reference's; None for the reference.
        float32: the same in float32.
        loss: equivalence of the test losses with the reference's; None for the reference.
        accuracy: of the test accuracies.
    """

    runs: Runs
    masks: int
    elements: int
    mismatches: int
    chains: bool
    float64: float | None
    float32: float | None
    loss: Equivalence | None
    accuracy: Equivalence | None

    @property
    def holds(self) -> bool:
        """Whether every mask is the law's and every bound is kept."""
        return self.same_masks and self.same_losses and self.equivalent

    @property
    def same_masks(self) -> bool:
        """Not one bit differs."""
        return self.mismatches == 0 and self.chains

    @property
    def same_losses(self) -> bool:
        """In float64 over the whole training, in float32 at its beginning."""
        within = (
            self.float64 is None or self.float64 <= FLOAT64,
            self.float32 is None or self.float32 <= FLOAT32,
        )
        return all(within)

    @property
    def equivalent(self) -> bool:
        """In test loss and in test accuracy."""
        return all(each is None or each.holds for each in (self.loss, self.accuracy))


def lines(all_runs: Sequence[Runs]) -> tuple[Line, ...]:
    """One line for each framework; the first is the reference."""
    return tuple(_line(runs, all_runs[0]) for runs in all_runs)


def _line(runs: Runs, reference: Runs) -> Line:
    law = (runs.exact, runs.plain, *runs.restarts)
    ledgers = [run.outcome["ledger"] for run in law]
    found = Line(
        runs=runs,
        masks=sum(each["masks"] for each in ledgers),
        elements=sum(each["elements"] for each in ledgers),
        mismatches=sum(each["mismatches"] for each in ledgers),
        chains=all(each["chain"] == each["expected"] for each in ledgers),
        float64=None,
        float32=None,
        loss=None,
        accuracy=None,
    )
    if runs is reference:
        return found
    return Line(
        **{name: getattr(found, name) for name in ("runs", "masks", "elements", "mismatches", "chains")},
        float64=largest_difference(runs.exact, reference.exact, STEPS64),
        float32=largest_difference(runs.plain, reference.plain, STEPS32),
        loss=_compared(runs, reference, "test_loss", 0.0),
        accuracy=_compared(runs, reference, "test_accuracy", 1 / reference.plain.data["test_examples"]),
    )


def _compared(runs: Runs, reference: Runs, measure: str, resolution: float) -> Equivalence:
    ours, theirs = (last(each.restarts, measure) for each in (runs, reference))
    return equivalence(ours, theirs, resolution)


def largest_difference(run: Run, reference: Run, steps: int) -> float:
    """The largest `|loss - reference| / reference` over the first steps; infinity where either ended before."""
    ours, theirs = (np.array(each.outcome["losses"][:steps]) for each in (run, reference))
    planned = min(run.asked.steps, steps)
    if len(ours) < planned or len(theirs) < planned:
        return float("inf")
    return float(np.max(np.abs(ours - theirs) / theirs))


def last(runs: Sequence[Run], measure: str) -> list[float]:
    """A measure after the last epoch of each training."""
    return [run.outcome[measure][-1] for run in runs]


def answer(found: Sequence[Line], data: str) -> Mapping[str, str]:
    """The headline, and its figures in a few sentences."""
    others, reference = found[1:], found[0].runs
    titles = [each.runs.found.framework.title for each in found]
    masks, elements, wrong = (
        sum(getattr(each, name) for each in found) for name in ("masks", "elements", "mismatches")
    )
    same = "not one bit differs" if all(each.same_masks for each in found) else f"{wrong:,} elements differ"
    exact, plain = (
        max((getattr(each, name) for each in others), default=0.0) for name in ("float64", "float32")
    )
    steps = compared_steps(reference)
    sentences = (
        f"In {len(found)} frameworks ({', '.join(titles)}), trained on {data} from one seed, {masks:,} masks of "
        f"{elements:,} elements were compared with the law, and {same}.",
        f"Losses differ from {titles[0]}'s by at most {exact:.1e} relative over {steps['float64']} steps in "
        f"float64, and by {plain:.1e} over {steps['float32']} in float32.",
        *_end(found),
    )
    return {"headline": _headline(found), "sentence": " ".join(sentences)}


def compared_steps(reference: Runs) -> Mapping[str, int]:
    """How many steps of each precision are compared: those of the bound, or all where a training has fewer."""
    return {
        "float64": min(reference.exact.asked.steps, STEPS64),
        "float32": min(reference.plain.asked.steps, STEPS32),
    }


def too_few(reference: Runs) -> bool:
    """Whether so few restarts were asked for that equivalence is hardly ever shown where it is the case."""
    return len(reference.restarts) < ENOUGH


def _end(found: Sequence[Line]) -> Iterator[str]:
    """Where the trainings end."""
    reference, others = found[0].runs, found[1:]
    title, restarts = reference.found.framework.title, len(reference.restarts)
    without = [each.runs.found.framework.title for each in others if not each.equivalent]
    if not others:
        return
    shown = others[0].runs.found.framework.title if len(others) == 1 else f"all {len(others)} others"
    what = f"is not shown for {', '.join(without)}" if without else f"is shown for {shown}"
    yield f"After {reference.plain.asked.steps:,} steps in float32, equivalence with {title} {what}."
    yield f"Its measure is the spread of {restarts} restarts from weights one unit in the last place away."
    if too_few(reference):
        yield f"To show equivalence takes {ENOUGH} restarts or more."


def _headline(found: Sequence[Line]) -> str:
    if not all(each.same_masks for each in found):
        return "The masks are not the same"
    if not all(each.same_losses for each in found):
        return "The same masks, and not one curve"
    if not all(each.equivalent for each in found):
        return "The same masks and one curve; the same end is not shown"
    return "One address, one mask; one seed, one curve"
