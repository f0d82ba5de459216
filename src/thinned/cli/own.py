"""`thinned study --model`: the rates of a model of the user's own, each an arm beside none."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from thinned.cli.thing import thing

if TYPE_CHECKING:
    from thinned.lab.own import TorchTask
    from thinned.lab.study import Study

RATES = (0.0, 0.1, 0.3, 0.5)


def factory(named: str) -> Any:
    """The function that makes a user's model.

    Raises:
        typer.BadParameter: no such file, module or name, or code that raises when it is imported.
    """
    try:
        return thing(named)
    except typer.BadParameter as error:
        raise typer.BadParameter(f"--model: {error.message}") from None
    except Exception as error:
        raise typer.BadParameter(
            f"--model: expected code that can be imported; {named.rpartition(':')[0]} raised "
            f"{type(error).__name__}: {error}."
        ) from error


def user_task(
    model: str, data: str | None, *, data_dir: Path | None, training: dict[str, Any]
) -> "TorchTask":
    """Training of the named model on the named data.

    Raises:
        typer.BadParameter: no data.
        ConfigurationError, DataError: what cannot be trained.
    """
    if data is None:
        raise typer.BadParameter(
            "expected --data beside --model: an .npz file, a folder of images, or a name."
        )
    make = factory(model)
    from thinned.lab.user_model import task_on

    folder = None if data_dir is None else str(data_dir)
    return task_on(make, data, named=model, data_dir=folder, **training)


def rates_of_own(
    task: "TorchTask", model: str, rates: tuple[float, ...] | None, seeds: Any, **asked: Any
) -> "Study":
    """The study: every rate an arm, 0 the first.

    Raises:
        typer.BadParameter: no rate beside 0, or one twice.
        RateError: one that no mask stands for.
    """
    from thinned.lab import Study
    from thinned.mask import threshold

    given = RATES if rates is None else rates
    for rate in given:
        threshold(rate)
    if len(set(given)) < len(given) or not set(given) - {0.0}:
        raise typer.BadParameter(
            f"expected different rates, with one above 0; got {', '.join(map(str, given))}."
        )
    arms = {f"rate {rate:g}": {"rate": rate} for rate in (0.0, *(rate for rate in given if rate))}
    return Study(f"Which rate of dropout suits {name_of(model)}?", task, arms, seeds, **asked)


def name_of(model: str) -> str:
    """A model's name in questions and folders: its file without the folders, and the function.

    Example:
        >>> name_of("models/mine.py:make")
        'mine.py:make'
    """
    where, _, function = model.rpartition(":")
    return f"{Path(where).name}:{function}"
