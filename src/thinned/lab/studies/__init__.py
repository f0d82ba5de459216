"""One question per file; this table is what the command line and the reports read."""

from thinned.errors import ConfigurationError
from thinned.lab.question import Question
from thinned.lab.studies import (
    activation_variance,
    better_noise,
    co_adaptation,
    drop_connect,
    dropout,
    input_noise,
    less_data,
    more_epochs,
    normalisation,
    placement,
    published_answers,
    random_labels,
    swap_rates,
    test_time,
    weight_decay,
    width,
)

__all__ = ["STUDIES", "find"]

STUDIES: dict[str, Question] = {
    study.QUESTION.name: study.QUESTION
    for study in (
        dropout,
        swap_rates,
        more_epochs,
        activation_variance,
        test_time,
        weight_decay,
        drop_connect,
        better_noise,
        width,
        less_data,
        random_labels,
        input_noise,
        normalisation,
        placement,
        co_adaptation,
        published_answers,
    )
}


def find(name: str) -> Question:
    """The question of a study.

    Raises:
        ConfigurationError: there is no such study.

    Example:
        >>> find("dropout").asks
        'Does dropout help here?'
    """
    if name not in STUDIES:
        raise ConfigurationError(
            f"expected the name of a study: {', '.join(STUDIES)}; got {name!r}. `thinned study --list` says "
            "what each one asks."
        )
    return STUDIES[name]
