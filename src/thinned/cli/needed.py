"""How many seeds show the difference that matters, with the runs of a study as its pilot."""

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from thinned.lab.study import Result


def needed(result: "Result", difference: float) -> list[dict[str, Any]]:
    """For each arm beside the first, as plain values; without a number where its differences have no spread."""
    from thinned.lab.comparison import TEST_ACCURACY
    from thinned.lab.contrasts import difference as between
    from thinned.lab.contrasts import runs_of, values_of
    from thinned.lab.own_answer import metric_of
    from thinned.lab.sequential import seeds_needed, spread_of

    metric = metric_of(result.design.base) if result.design.is_own else TEST_ACCURACY
    runs = runs_of([record for record in result.records if metric.name in record.final], metric)
    if not runs:
        return []
    control, *others = runs
    found = []
    for arm in others:
        pilot = list(values_of(runs, between(arm, control)).values())
        each = seeds_needed(pilot, difference) if spread_of(pilot) else None
        found.append(
            {
                "of": f"{arm} minus {control}",
                "metric": metric.name,
                "unit": metric.unit,
                "difference": difference,
                "seeds": each and each.seeds,
                "cautious": each and each.cautious,
                "spread": each.spread if each else 0.0,
                "pilot": len(pilot),
            }
        )
    return found


def tell_needed(found: list[dict[str, Any]]) -> None:
    """The same in sentences."""
    for each in found:
        unit = each["unit"] or f"in {each['metric']}"
        enough = (
            f"{each['seeds']} seeds, or {each['cautious']} if the spread of these {each['pilot']} is small by luck."
            if each["seeds"]
            else f"not known, as the {each['pilot']} differences so far do not vary."
        )
        typer.echo(
            f"To show a difference of {each['difference']:g} {unit} in {each['of']} four times in five: {enough}"
        )
