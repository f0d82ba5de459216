"""A task of the user's own: any module, any tensors or loader, any metric."""

import base64
import hashlib
import inspect
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import thinned.torch
from thinned.errors import ConfigurationError, DataError
from thinned.lab.own_study import OWN, OwnBase
from thinned.lab.training import Metrics, Outcome, one_thread, shuffled

Examples: TypeAlias = "tuple[Tensor, Tensor] | DataLoader[Any] | Dataset[Any]"
Function: TypeAlias = Callable[[Any, Any], Any]

READ = 1000
"""Examples of a data set, or batches of a loader, that its fingerprint reads at most."""


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """The share of examples whose largest output is the target's; axes (example, class) and (example,)."""
    return float((outputs.argmax(1) == targets).double().mean())


def sgd(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Plain SGD with a learning rate of 0.1."""
    return torch.optim.SGD(parameters, lr=0.1)


@dataclass(slots=True, eq=False)
class TorchTask:
    """Training of a module of the user's own, with what is measured.

    A trial seeds PyTorch's, NumPy's and Python's generators, and those of loaders, makes the model, swaps its
    dropout layers for ours and binds them to the seed, and trains it on one thread of the CPU; the generators of
    the process that calls it are left as they were. Arms of one seed begin with the same weights where their
    factories draw alike, and see tensors in the same order: they are a pair. The networks are measured in
    evaluation mode after each epoch, on all test examples; nothing is chosen by that.

    Args:
        make: from an arm's settings, by keyword, to a module; any function, a lambda of a notebook too.
        train: training examples: a pair of tensors (x, y), axes (example, ...); a data set; or a loader, which is
            taken as it is, with its own batches.
        test: the same.
        metrics: further quantities, by name: from all outputs and all targets of a part to a number. The first
            decides. None means accuracy where targets are integers, else nothing; the loss is always measured.
        more_is_better: whether more is better, of the first metric.
        loss: from outputs and targets to the mean over a batch. None means cross-entropy where targets are
            integers, else the mean squared error.
        optimiser: from parameters to an optimiser.
        epochs: passes over the training examples.
        batch: examples in a minibatch, of tensors and data sets.
        name: of the data, in answers.
        source: of the data, in a sentence.
        version: of the code; what distinguishes a model that was changed where this cannot see it. The sources of
            the functions given here are part of every record's key; those of what they call are not.

    Raises:
        ConfigurationError: sizes that are no positive integers, or a metric called loss or epoch.
        DataError: parts of unequal lengths, or without examples.

    Example:
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> def make(rate):
        ...     return nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Dropout(rate), nn.Linear(8, 1))
        >>> task = TorchTask(make, train=(x, x.square()), test=(x, x.square()), epochs=2)
        >>> outcome = task.run({"settings": {"rate": 0.1}}, seed=0)
        >>> sorted(outcome.final)
        ['test_loss', 'train_loss']
    """

    make: Callable[..., nn.Module]
    train: Examples
    test: Examples
    metrics: Mapping[str, Function] | None = None
    more_is_better: bool = True
    loss: Function | None = None
    optimiser: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] = sgd
    epochs: int = 10
    batch: int = 64
    name: str = "own data"
    source: str = "Supplied by the user."
    version: str = ""
    classes: bool = field(init=False)
    _about: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigurationError(f"expected {name}, an integer of at least 1; got {value!r}.")
        for name, part in (("training", self.train), ("test", self.test)):
            _check_part(name, part)
        target = next(_batches(self.test, 1, None))[1]
        self.classes = not target.is_floating_point() and target.dim() == 1
        if self.loss is None:
            self.loss = nn.functional.cross_entropy if self.classes else nn.functional.mse_loss
        if self.metrics is None:
            self.metrics = {"accuracy": accuracy} if self.classes else {}
        if {"loss", "epoch"} & set(self.metrics):
            raise ConfigurationError(
                "expected metrics with names of their own; got loss or epoch. Rename it."
            )

    def where(self) -> dict[str, Any]:
        """Itself, pickled by value."""
        import cloudpickle

        return {"own": base64.b64encode(cloudpickle.dumps(self)).decode()}

    def run(
        self, settings: Mapping[str, Any], seed: int, epoch_done: Callable[[int], None] = lambda _: None
    ) -> Outcome:
        """Run one trial.

        Args:
            settings: with the arm's own under "settings".
            seed: of PyTorch's generator, of the masks, and of the order of examples.
            epoch_done: called with the number of each finished epoch.

        Raises:
            ValueError: a metric that is not finite while the loss is.
        """
        return self.followed(settings, seed, lambda metrics: epoch_done(int(metrics["epoch"])))

    def followed(self, settings: Mapping[str, Any], seed: int, told: Callable[[Metrics], None]) -> Outcome:
        """The same, where who follows is told each epoch's metrics, and may end the trial by raising."""
        with one_thread(), _seeded(seed):
            model = self.make(**settings.get("settings", {}))
            if not isinstance(model, nn.Module):
                raise ConfigurationError(
                    f"expected a torch.nn.Module from `make`; got {type(model).__name__}."
                )
            thinned.torch.convert(model, seed=seed)
            self._reset(seed)
            optimiser = self.optimiser(model.parameters())
            epochs: list[Metrics] = []
            for epoch in range(self.epochs):
                train_loss = self._epoch(model, optimiser, seed, epoch)
                test = self._evaluate(model, "test", self.test)
                if not math.isfinite(train_loss) or not math.isfinite(test["test_loss"]):
                    return Outcome("diverged", epochs, {})
                epochs.append({"epoch": epoch + 1, "train_loss": train_loss, **test})
                told(epochs[-1])
            final = self._evaluate(model, "train", self.train)
            if not math.isfinite(final["train_loss"]):
                return Outcome("diverged", epochs[:-1], {})
            return Outcome("finished", epochs, final | test)

    def _reset(self, seed: int) -> None:
        """A loader's own generator goes on where the trial before left it, which no trial may depend on."""
        for part in (self.train, self.test):
            for holder in (part, getattr(part, "sampler", None)):
                generator = getattr(holder, "generator", None)
                if isinstance(generator, torch.Generator):
                    generator.manual_seed(seed % 2**63)

    def _epoch(self, model: nn.Module, optimiser: torch.optim.Optimizer, seed: int, epoch: int) -> float:
        assert self.loss is not None  # noqa: S101 - for the type checker
        model.train()
        total, count = torch.zeros((), dtype=torch.float64), 0
        for x, y in _batches(self.train, self.batch, partial(shuffled, seed=seed, epoch=epoch)):
            loss = self.loss(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(y)
            count += len(y)
        return total.item() / count

    @torch.inference_mode()
    def _evaluate(self, model: nn.Module, part: str, examples: Examples) -> Metrics:
        """The loss, and each metric of all outputs."""
        assert self.loss is not None and self.metrics is not None  # noqa: S101, PT018 - for the type checker
        model.eval()
        pairs = [(model(x), y) for x, y in _batches(examples, max(self.batch, 1024), None)]
        outputs, targets = (torch.cat([pair[k] for pair in pairs]) for k in (0, 1))
        found: Metrics = {f"{part}_loss": float(self.loss(outputs, targets))}
        if math.isfinite(found[f"{part}_loss"]):
            for name, metric in self.metrics.items():
                value = float(metric(outputs, targets))
                if not math.isfinite(value):
                    raise ValueError(f"expected a finite number from metric {name!r}; got {value} on {part}.")
                found[f"{part}_{name}"] = value
        return found

    def decides(self) -> str:
        """The name, in a record's `final`, of what arms are compared by."""
        return f"test_{next(iter(self.metrics or ()), 'loss')}"

    def base(self, asks: str, arms: Mapping[str, Mapping[str, Any]]) -> OwnBase:
        """What all arms of a question share.

        Raises:
            ConfigurationError: settings that are no plain values.
        """
        common = {"epochs": self.epochs, "batch": self.batch, "code": self.code()}
        more = self.more_is_better if self.metrics else False
        return OwnBase(asks, arms, OWN, common, self.decides(), more)

    def code(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the sources of its functions, and its version."""
        parts = [self.make, self.loss, self.optimiser, *dict(self.metrics or {}).values()]
        text = "\0".join([self.version, *map(_source, parts)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def about(self) -> dict[str, Any]:
        """What a record says of the data."""
        if not self._about:
            self._about = self._described()
        return self._about

    def _described(self) -> dict[str, Any]:
        digest = hashlib.sha256(b"own")
        for part in (self.train, self.test):
            for tensor in _sample(part):
                array = tensor.detach().cpu().contiguous().numpy()
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(array.tobytes())
        counts = {
            f"{name}_examples": _length(part) for name, part in (("train", self.train), ("test", self.test))
        }
        return {
            "name": self.name,
            "asked": "own",
            "digest": digest.hexdigest()[:16],
            "source": self.source,
        } | counts


def _check_part(name: str, part: Any) -> None:
    if isinstance(part, tuple | list):
        if len(part) != 2 or not all(isinstance(each, Tensor) for each in part):
            raise DataError(
                f"expected the {name} examples as two tensors, x and y; got {type(part).__name__} of "
                f"{', '.join(type(each).__name__ for each in part) or 'nothing'}."
            )
        if len(part[0]) != len(part[1]):
            raise DataError(
                f"expected as many targets as {name} examples; got {len(part[1])} and {len(part[0])}."
            )
    elif not isinstance(part, DataLoader | Dataset):
        raise DataError(
            f"expected the {name} examples as two tensors, a Dataset or a DataLoader; got {type(part).__name__}. "
            "Turn arrays into tensors: torch.from_numpy(x)."
        )
    if not _length(part):
        raise DataError(f"expected {name} examples; got none.")


def _length(part: Any) -> int:
    if isinstance(part, DataLoader):
        return len(part.dataset) if hasattr(part.dataset, "__len__") else len(part)
    return len(part[1]) if isinstance(part, tuple | list) else len(part)


def _batches(part: Any, batch: int, order: Callable[[int], Tensor] | None) -> Iterator[tuple[Any, Any]]:
    """Inputs and targets, in the given order where the part has none of its own."""
    if isinstance(part, DataLoader):
        yield from part
        return
    count = _length(part)
    indices = torch.arange(count) if order is None else order(count)
    for index in torch.split(indices, batch):
        if isinstance(part, tuple | list):
            yield part[0][index], part[1][index]
        else:
            yield torch.utils.data.default_collate([part[int(k)] for k in index])


def _sample(part: Any) -> Iterator[Tensor]:
    """The tensors that a fingerprint is taken of: all of a pair, else those of the first examples or batches."""
    if isinstance(part, tuple | list):
        yield from part
        return
    source: Any = part
    if isinstance(part, DataLoader) and hasattr(part.dataset, "__getitem__"):
        source = part.dataset
    if isinstance(source, torch.utils.data.TensorDataset):
        yield from source.tensors
        return
    many = (source[k] for k in range(min(len(source), READ))) if hasattr(source, "__getitem__") else source
    for example in itertools.islice(many, READ):
        yield from (torch.as_tensor(np.asarray(each)) for each in example)


def _source(function: Any) -> str:
    """A function's source, with the plain values that it closes over."""
    if isinstance(function, partial):
        bound = [*function.args, *(part for pair in sorted(function.keywords.items()) for part in pair)]
        return "".join([_source(function.func), *map(_told, bound)])
    try:
        has_source = inspect.isroutine(function) or inspect.isclass(function)
        text = inspect.getsource(function if has_source else type(function))
    except (OSError, TypeError):
        name = getattr(function, "__qualname__", type(function).__name__)
        text = f"{getattr(function, '__module__', '')}.{name}"
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    plain = repr([each for each in cells if isinstance(each, str | int | float | bool | tuple)])
    functions = [_source(each) for each in cells if inspect.isfunction(each) and each is not function]
    return "".join([text, plain, *functions])


def _told(bound: Any) -> str:
    """What a partial function holds, without the address in memory that another process does not share."""
    return _source(bound) if callable(bound) else repr(bound)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """PyTorch's, NumPy's and Python's generators at the seed; a data set's augmentation may use any of them."""
    arrays, plain = np.random.get_state(), random.getstate()  # noqa: NPY002 - the user's code may draw from it
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        np.random.set_state(arrays)  # noqa: NPY002
        random.setstate(plain)
