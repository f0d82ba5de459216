"""Records without training: what a store holds after runs whose metrics the test chooses."""

from thinned.lab.configuration import Configuration
from thinned.lab.question import Design
from thinned.lab.records import Record
from thinned.lab.studies import find

VERSIONS = {"thinned": "0.1.0", "python": "3.11.0", "torch": "2.7.0", "numpy": "2.0.0", "numba": "0.61.0"}
BASE = Configuration(hidden=(32, 16), epochs=2)
DATA = {
    "name": "toy",
    "asked": "toy.npz",
    "digest": "0123456789abcdef",
    "source": "By hand.",
    "train_examples": 80,
    "test_examples": 20,
    "features": 4,
    "classes": 2,
}


def design(base=BASE, versions=VERSIONS):
    """The dropout study's design on the toy data."""
    return Design(find("dropout"), base, DATA["digest"], 1, 1, versions)


def record(arm, seed, accuracy=0.8, *, base=BASE, versions=VERSIONS, status="finished", **changes):
    """A run that reached `accuracy` on the test set, or diverged after its first epoch."""
    plan = design(base, versions)
    metrics = {
        "train_loss": 1 - accuracy,
        "train_accuracy": accuracy + 0.1,
        "test_loss": 1.1 - accuracy,
        "test_accuracy": accuracy,
    }
    done = base.epochs if status == "finished" else 1
    content = {
        "key": plan.key(plan.arms()[arm], seed),
        "study": "dropout",
        "arm": arm,
        "seed": seed,
        "design": base.as_json(),
        "configuration": plan.arms()[arm].as_json(),
        "data": DATA,
        "status": status,
        "epochs": [{"epoch": k + 1, **metrics} for k in range(done)],
        "final": metrics | {"gap": 0.1} if status == "finished" else {},
        "law": 1,
        "trial": 1,
        "versions": versions,
        "machine": {"platform": "Linux", "processor": "Abacus"},
        "git": {"commit": "c0ffee" * 6 + "c0ff", "altered": False},
        "started": f"2026-01-01T00:00:{seed % 60:02d}+00:00",
        "duration_s": 1.5,
    }
    return Record(**(content | changes))


def pairs(*accuracies, **changes):
    """Seeds 0, 1, ... with (without, with) dropout accuracies."""
    return [
        record(arm, seed, accuracy, **changes)
        for seed, both in enumerate(accuracies)
        for arm, accuracy in zip(("none", "dropout"), both, strict=True)
    ]
