"""Records of any study without training: what each run reached is a function that the test writes."""

import random
from dataclasses import replace

from tests.lab.recorded import DATA, VERSIONS
from thinned.lab.configuration import Configuration
from thinned.lab.question import Design
from thinned.lab.records import Record
from thinned.lab.scope import Scope

COUNTS = {"train_examples": 60_000, "features": 784, "classes": 10}
ABOUT = DATA | COUNTS | {"name": "toy", "test_examples": 10_000}

FIRST = range(2)
SECOND = range(10, 18)


def noise(*what, size=0.1):
    """A normal number that belongs to what is named, and is the same at each call."""
    return random.Random(repr(what)).gauss(0, size)  # noqa: S311 - noise is no secret


def design_of(question, scope="quick", base=None):
    """The question's design on the toy data."""
    return Design(
        question, base or Configuration(epochs=2), DATA["digest"], 1, 1, VERSIONS, Scope(scope, {}, COUNTS)
    )


def record(design, arm, configuration, seed, accuracy, **changes):
    """A run that reached an accuracy, in percent; None is one that diverged."""
    held_out = "validation" if configuration.validation else "test"
    share = None if accuracy is None else accuracy / 100
    metrics = (
        {}
        if share is None
        else {
            "train_loss": 1.05 - share,
            "train_accuracy": share,
            f"{held_out}_loss": 1.1 - share,
            f"{held_out}_accuracy": share,
        }
    )
    content = {
        "key": design.key(configuration, seed),
        "study": design.question.name,
        "arm": arm,
        "seed": seed,
        "design": design.as_json(),
        "configuration": configuration.as_json(),
        "data": ABOUT,
        "status": "finished" if metrics else "diverged",
        "epochs": [{"epoch": k + 1, **metrics} for k in range(configuration.epochs)] if metrics else [],
        "final": metrics | {"gap": 0.0} if metrics else {},
        "law": 1,
        "trial": 1,
        "versions": VERSIONS,
        "machine": {"platform": "Linux", "processor": "Abacus"},
        "git": None,
        "started": "2026-01-01T00:00:00+00:00",
        "duration_s": 1.0,
    }
    return Record(**(content | changes))


def records(design, reached, seeds=SECOND, first=FIRST):
    """Every run of a study, of both stages where it has two.

    Args:
        design: of the study.
        reached: from (arm, configuration, seed) to a test accuracy in percent, or None.
        seeds: of the stage that answers.
        first: of the stage before it.
    """
    question = design.question

    def stage(arms, seeds):
        return [
            record(design, arm, each, seed, reached(arm, each, seed))
            for seed in seeds
            for arm, each in arms.items()
        ]

    if question.second is None:
        return stage(design.arms(), seeds)
    tried = stage(design.arms(), first)
    return tried + stage(question.second(design, tried), seeds)


def answer(question, reached, *, scope="quick", base=None, **seeds):
    """What a study says of such runs."""
    design = design_of(question, scope, base)
    return question.answer(design, records(design, reached, **seeds))


def noisy(effect, *, level=90.0, size=0.1):
    """Runs at a level, plus an effect of (arm, configuration), plus noise of the run and of the seed.

    The noise of two neighbouring seeds is equal and opposite, so that over whole pairs of them each arm's mean is
    its effect exactly: where there is none, no claim is a matter of luck.
    """

    def reached(arm, configuration, seed):
        own = noise(arm, seed // 2, size=size) * (-1) ** seed
        return level + effect(arm, configuration) + noise(seed) + own

    return reached


def null(arm, configuration):
    """No effect of anything."""
    return 0.0


def diverging(reached, *arms):
    """The same, but the first run of these arms in the last stage diverged."""

    def lost(arm, configuration, seed):
        return None if arm in arms and seed == SECOND[0] else reached(arm, configuration, seed)

    return lost


def with_curves(run, curve):
    """The same run, whose test accuracy and loss after each epoch are a function of the epoch, from 1."""
    epochs = [
        epoch | {"test_accuracy": curve(epoch["epoch"]) / 100, "test_loss": 1.1 - curve(epoch["epoch"]) / 100}
        for epoch in run.epochs
    ]
    last = {name: epochs[-1][name] for name in ("test_accuracy", "test_loss")}
    return replace(run, epochs=epochs, final=run.final | last)
