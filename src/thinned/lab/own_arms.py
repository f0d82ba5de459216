"""A study of the laboratory asked as a question of one's own: its arms, with seeds until it is decided."""

from dataclasses import asdict
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.sequential import Until
from thinned.lab.study import Study


def as_own(study: Study, until: Until) -> Study:
    """The arms of a study, each compared with its first in test accuracy, with seeds until it is decided.

    What the study itself would say of them, such as a slope or an interaction, is not said. In one folder, neither
    trains what the other has trained.

    Args:
        study: of one stage, with arms of its own.
        until: the design.

    Raises:
        ConfigurationError: a study in two stages, whose second arms depend on the first.

    Example:
        >>> study = as_own(Study("dropout", "digits", settings={"epochs": 1}), Until(0.5))
        >>> study.name, [(trial.seed, trial.arm) for trial in study.trials()][-1]
        ('dropout-until', (4, 'dropout'))
    """
    design = study.design()
    if design.question.second is not None:
        raise ConfigurationError(
            f"expected a study in one stage beside seeds until it is decided; {study.name} tunes first, and its "
            "second stage has fresh seeds. Give a number of seeds."
        )
    arms: dict[str, dict[str, Any]] = {arm: asdict(each) for arm, each in design.arms().items()}
    return Study(
        study.name,
        study.data,
        arms,
        until,
        settings=asdict(design.base),
        out=study.out,
        data_dir=study.data_dir,
        jobs=study.jobs,
        scope=study.scope,
        stacked=study.stacked,
        device=study.device,
        ray=study.ray,
    )
