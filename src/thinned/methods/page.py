"""The catalogue as a page of Markdown: `python -m thinned.methods.page > docs/catalogue.md`."""

from collections.abc import Iterable

from thinned.methods.catalogue import catalogue
from thinned.methods.entry import Entry

_NAMES = {
    "torch": "PyTorch",
    "jax": "JAX",
    "flax": "Flax",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "mxnet": "MXNet",
}

_HEAD = """# The catalogue

One row of the table is one regulariser: what is perturbed, the law of the draws, which elements share a draw, what
keeps the expectation, and where the rate comes from. Each is a file in `src/thinned/methods/`, with its equation
and its moments; each draws at an address, in every framework that the last table names.
`help(thinned.torch.WeightDrop)`, and so on, has the arguments, an example, the errors, and where we differ from the
paper. `python -m thinned.methods.page > docs/catalogue.md` writes this page from `thinned.catalogue()`.
"""

_SCHEDULES = """## Rates that follow the step or the depth

Where the table says "scheduled", a layer takes one of these in the place of its rate. Steps are those of the bound
model: a free layer has none, and says so.

| schedule | rate |
| --- | --- |
| `thinned.linear(0.0, 0.5, steps=1000)` | rises, or falls, from step to step; `begin=` says from which on |
| `thinned.cosine(0.0, 0.5, steps=1000)` | the same, along half a cosine |
| `thinned.early(0.5, until=1000)` | 0.5 before step 1000, then 0 |
| `thinned.late(0.5, after=1000)` | 0 before step 1000, then 0.5 |
| `thinned.linear(0.0, 0.2)`, or `cosine`, without `steps` | from layer to layer, in a rule of PyTorch's `convert` |
"""


def page(entries: Iterable[Entry]) -> str:
    """The page.

    Example:
        >>> print(page(catalogue()[:1]).splitlines()[-1])
        | Dropout | `torch.Dropout` `flax.Dropout` `flax.linen.Dropout` `keras.layers.Dropout` `mxnet.Dropout` |
    """
    entries = list(entries)
    rows = ["method", "perturbed", "law", "sharing", "correction", "rate"]
    parts = [
        _HEAD,
        _table(
            rows,
            (
                (e.name, e.row.perturbed, e.row.law, e.row.sharing, e.row.correction, e.row.rate)
                for e in entries
            ),
        ),
        _SCHEDULES,
        "## Papers and costs\n",
        _table(
            ["method", "paper", "cost of a training step"],
            (
                (e.name, f"[{e.paper.authors.split(',')[0]} {e.paper.year}]({e.paper.link})", e.cost)
                for e in entries
            ),
        ),
        "## Made like this\n",
        _table(
            ["method", "in PyTorch, or else its first framework"],
            ((e.name, f"`{_first(e).rpartition('.')[2]}({e.example})`") for e in entries),
        ),
        "## Where\n",
        "All names stand behind `thinned.`; the front ends are "
        + ", ".join(f"{_NAMES[name]} (`{name}`)" for name in _NAMES if _has(entries, name))
        + ".\n",
        _table(
            ["method", "classes and functions"],
            ((e.name, " ".join(f"`{x}`" for x in e.layers) + (e.note and f"; {e.note}")) for e in entries),
        ),
    ]
    return "\n".join(parts)


def _first(entry: Entry) -> str:
    return next((layer for layer in entry.layers if layer.startswith("torch.")), entry.layers[0])


def _has(entries: Iterable[Entry], framework: str) -> bool:
    return any(framework in entry.frameworks for entry in entries)


def _table(head: list[str], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [tuple(head), tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    print(page(catalogue()), end="")
