"""`thinned mask`: the mask of an address, to look at or to compare with."""

import json
import math
from typing import Annotated

import typer

from thinned.cli.options import integers
from thinned.mask import keep, quantise, threshold

LIMIT = 1_000_000
"""Elements; more would be printed for minutes and read by nobody."""

AXES = 32
"""NumPy's limit, before its version 2."""


def mask(
    shape: Annotated[str, typer.Argument(help="Sizes separated by commas, such as 2,8.", show_default=False)],
    rate: Annotated[float, typer.Argument(help="Probability of dropping.", show_default=False)],
    seed: Annotated[int, typer.Option(help="The run.")] = 0,
    name: Annotated[
        str | None, typer.Option("--site", help="Name of the place in the network, such as fc1 or 2.")
    ] = None,
    number: Annotated[int, typer.Option("--site-id", help="Its number, where it has no name.")] = 0,
    step: Annotated[int, typer.Option(help="The training step.")] = 0,
    draw: Annotated[int, typer.Option(help="Which of several draws.")] = 0,
    share: Annotated[str, typer.Option(help="Axes that share a draw, such as 2,3.", show_default=False)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print the mask of an address: 1 where an element is kept, 0 where it is dropped.

    Example: `thinned mask 2,8 0.5 --seed 0 --site fc1`
    """
    if name is not None and number:
        raise typer.BadParameter(f"expected --site or --site-id; got both, {name!r} and {number}.")
    site = number if name is None else name
    sizes = integers(shape)
    if len(sizes) > AXES or min(sizes) < 0 or max(sizes) > LIMIT or math.prod(sizes) > LIMIT:
        raise typer.BadParameter(
            f"expected at most {AXES} sizes from 0 to {LIMIT}, with a product of at most {LIMIT}; got {shape}."
        )
    if name is not None and not name.isprintable():
        raise typer.BadParameter(f"expected a name of printable characters; got {name!r}.")
    axes = integers(share) if share else ()
    kept = keep(sizes, rate, seed=seed, site=site, step=step, draw=draw, share=axes)
    if as_json:
        about = {"seed": seed, "site": site, "step": step, "draw": draw, "share": axes}
        level = {"rate": rate, "quantised": quantise(rate), "threshold": threshold(rate)}
        typer.echo(json.dumps(about | level | {"shape": kept.shape, "keep": kept.astype(int).tolist()}))
    else:
        rows = kept.reshape(-1, kept.shape[-1]) if kept.size else kept.reshape(0, 1)
        typer.echo("\n".join(" ".join("1" if each else "0" for each in row) for row in rows))
