"""One question per file; this table is what the command line and the reports read."""

from thinned.errors import ConfigurationError
from thinned.lab.question import Question
from thinned.lab.studies import dropout

__all__ = ["STUDIES", "find"]

STUDIES: dict[str, Question] = {question.name: question for question in (dropout.QUESTION,)}


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
