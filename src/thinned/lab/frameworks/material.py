"""What all processes read: the data, the starting weights of every restart, and the law's masks."""

from collections.abc import Iterator
from pathlib import Path

from thinned.lab.data import Data
from thinned.lab.frameworks.ledger import write_truth
from thinned.lab.frameworks.setting import Setting
from thinned.lab.frameworks.weights import Weights, drawn, moved, save
from thinned.lab.frameworks.worker import DATA, MASKS, weights_name


def lay_out(folder: Path, data: Data, base: Setting, restarts: int) -> Iterator[int]:
    """Write everything into a folder; yield the number of each step whose masks are written.

    Args:
        folder: exists.
        data: what is trained on.
        base: whose steps are the most that any training takes.
        restarts: how many, apart from the start itself.
    """
    flat = data.train_x.reshape(len(data.train_x), -1), data.test_x.reshape(len(data.test_x), -1)
    arrays: Weights = {"train_x": flat[0], "train_y": data.train_y, "test_x": flat[1], "test_y": data.test_y}
    save(arrays, folder / DATA)
    start = drawn(flat[0].shape[1], base.hidden, len(data.classes), base.seed)
    for restart in range(restarts + 1):
        save(moved(start, restart, base.seed), folder / weights_name(restart))
    shape = base.batch, base.hidden
    yield from write_truth(folder / MASKS, shape, base.rates, base.steps, base.seed)
