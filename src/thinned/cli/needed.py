"""How many seeds show the difference that matters, with the runs of a study as its pilot."""

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from thinned.lab.study import Result


def needed(result: "Result", difference: float) -> list[dict[str, Any]]:
    """For each arm beside the first, as plain values; nothing for one whose differences have no spread."""
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
        if spread_of(pilot):
            each = seeds_needed(pilot, difference)
            found.append(
                {
                    "of": f"{arm} minus {control}",
                    "metric": metric.name,
                    "unit": metric.unit,
                    "difference": difference,
                    "seeds": each.seeds,
                    "cautious": each.cautious,
                    "spread": each.spread,
                    "pilot": len(pilot),
                }
            )
    return found


def tell_needed(found: list[dict[str, Any]]) -> None:
    """The same in sentences."""
    for each in found:
        unit = each["unit"] or f"in {each['metric']}"
        typer.echo(
            f"To show a difference of {each['difference']:g} {unit} in {each['of']} four times in five: "
            f"{each['seeds']} seeds, or {each['cautious']} if the spread of these {each['pilot']} is small by luck."
        )
