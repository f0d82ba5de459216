"""Does dropout help more when there is less data? The chapter's network on 100 to 60,000 examples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from thinned.errors import ConfigurationError
from thinned.lab.answer import Answer
from thinned.lab.configuration import Configuration
from thinned.lab.grids import varied
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.trends import Axis, answered

SIZES = {"quick": (100, 300, 1_000), "full": (100, 300, 1_000, 3_000, 10_000, 30_000, 60_000)}

LONGEST = 20
"""Times the epochs of the largest set that a smaller one trains at most."""


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """Each number of examples, without and with dropout, for about as many steps as the largest needs.

    With few examples an epoch is few steps. So a smaller set is seen in more epochs, until the steps are as many,
    or the epochs `LONGEST` times as many. Sizes beyond the data are left out.

    Raises:
        ConfigurationError: data with fewer examples than two of the sizes.
    """
    varied(scope, "train_examples")
    there = scope.data.get("train_examples", SIZES[scope][-1])
    sizes = [size for size in SIZES[scope] if size <= there]
    if len(sizes) < 2:
        raise ConfigurationError(
            f"expected at least {SIZES[scope][1]} training examples, to train on fewer and more of them; got "
            f"{there}. Use larger data."
        )
    steps = base.epochs * math.ceil(sizes[-1] / base.batch)
    found: dict[str, Configuration] = {}
    for size in sizes:
        epochs = min(math.ceil(steps / math.ceil(size / base.batch)), LONGEST * base.epochs)
        few = replace(base, train_examples=size, epochs=epochs, batch=min(base.batch, size))
        found[f"{size:,} none"] = few.without_dropout()
        found[f"{size:,} dropout"] = few
    return found


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """The slope of dropout's effect over the logarithm of the number of examples."""
    sizes = sorted({each.train_examples or 0 for each in design.arms().values()})
    cells = {size: (f"{size:,} dropout", f"{size:,} none") for size in sizes}
    return answered(records, Axis("training set", "training examples", cells), "dropout")


QUESTION = Question(
    name="less-data",
    asks="Does dropout help more when there is less data?",
    how=(
        "The chapter's network is trained on the first 100 to 60,000 of a permutation of the training examples "
        "that the seed fixes, so that smaller sets lie in larger ones, without and with dropout; at each size the "
        "two are a pair. Smaller sets are seen in more epochs, so that the steps are about as many, up to "
        f"{LONGEST} times the epochs of the largest. All are tested on the same test set. The slope of dropout's "
        "effect on test accuracy over the logarithm of the number of examples, one number a seed, decides; the "
        "effects at each size are a second family, corrected by Holm."
    ),
    refuted_by=(
        "That dropout does more with less data is refuted if the 95 % interval of the slope lies above 0, and not "
        "shown if it holds 0."
    ),
    arms=arms,
    answer=answer,
    quick=Plan(data="digits", seeds=10, settings={"hidden": (128, 128), "batch": 64, "epochs": 40}),
    full=Plan(data="fashion-mnist", seeds=10, settings={"batch": 64}),
)
