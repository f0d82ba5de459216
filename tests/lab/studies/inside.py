"""Records of studies that look inside networks: what a run measured is a function that the test writes."""

from dataclasses import replace

from tests.lab.studies import made

SEEDS = range(6)


def records(design, measured, *, seeds=SEEDS, name="toy", epochs=3):
    """Every run of a study, with what `measured(arm, seed)` gives added to its end and to each of its epochs.

    Args:
        design: of the study.
        measured: from (arm, seed) to metrics by name; test and train accuracies are shares.
        seeds: of the runs.
        name: of the data.
        epochs: that each run has.
    """
    found = []
    for seed in seeds:
        for arm, configuration in design.arms().items():
            run = made.record(design, arm, configuration, seed, 90.0, data=made.ABOUT | {"name": name})
            more = measured(arm, seed)
            curves = [run.epochs[0] | {"epoch": k + 1} | more for k in range(epochs)]
            found.append(replace(run, epochs=curves, final=run.final | more))
    return found


def answer(question, measured, **options):
    """What a study says of such runs."""
    design = made.design_of(question)
    return question.answer(design, records(design, measured, **options))
