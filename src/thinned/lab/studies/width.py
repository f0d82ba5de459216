"""Is dropout's effect larger when the network is? The chapter's network from narrow to wide."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from thinned.lab.answer import Answer
from thinned.lab.configuration import Configuration
from thinned.lab.grids import varied
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.trends import Axis, answered

WIDTHS = {"quick": (64, 256, 1024), "full": (64, 128, 256, 512, 1024, 2048, 4096)}


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """Each width, without and with dropout; every hidden layer has it.

    Raises:
        ConfigurationError: the user set what is varied here.
    """
    varied(scope, "hidden")
    found: dict[str, Configuration] = {}
    for width in WIDTHS[scope]:
        wide = replace(base, hidden=(width,) * len(base.hidden))
        found[f"{width:,} none"] = wide.without_dropout()
        found[f"{width:,} dropout"] = wide
    return found


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """The slope of dropout's effect over the logarithm of the width."""
    widths = sorted({each.hidden[0] for each in design.arms().values()})
    cells = {width: (f"{width:,} dropout", f"{width:,} none") for width in widths}
    return answered(records, Axis("width", "units a layer", cells), "dropout")


QUESTION = Question(
    name="width",
    asks="Is the effect of dropout larger when the network is?",
    how=(
        "The chapter's network is trained with hidden layers from 64 to 4096 units, without and with dropout, on "
        "the same seeds, all with the same learning rate and number of epochs. At each width the two are a pair. "
        "The slope of dropout's effect on test accuracy over the logarithm of the width, one number a seed, "
        "decides; the effects at each width are a second family, corrected by Holm. Weights begin as N(0, 0.01^2) "
        "at every width, as in the chapter, so a narrow network learns later: its training accuracy is in the "
        "table."
    ),
    refuted_by=(
        "That wider networks gain more from dropout is refuted if the 95 % interval of the slope lies below 0, and "
        "not shown if it holds 0."
    ),
    arms=arms,
    answer=answer,
    quick=Plan(data="digits", seeds=6, settings={"epochs": 100}),
    full=Plan(data="fashion-mnist", seeds=10, settings={}),
)
