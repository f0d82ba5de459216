"""The chapter's network through the d2l package's own Trainer and data loader: the peer of `lab_speed.py`.

    python d2l_chapter.py FOLDER ROOT EPOCHS

FOLDER is where `pip install --target FOLDER --no-deps d2l==1.0.3 torchvision==0.28.0` put both, ROOT holds
FashionMNIST/raw as torchvision lays it out. Prints the seconds of `trainer.fit`, and the validation accuracy.
Drawing is off, in d2l's favour: its board would draw a picture at each point.
"""

import sys
import time
import types

import torch
from torch import nn

OPERATORS = ("nms", "qnms")
"""torchvision's wheel is compiled for CUDA; beside a PyTorch without it, its import misses these alone."""


def prepare(folder: str) -> torch.library.Library:
    """Let d2l be imported; what is returned must be kept alive."""
    sys.path.insert(0, folder)
    library = torch.library.Library("torchvision", "DEF")
    for name in OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name, part in (
        ("IPython", "display"),
        ("matplotlib_inline", "backend_inline"),
    ):  # for notebooks alone
        try:
            __import__(f"{name}.{part}")
        except ModuleNotFoundError:
            package, module = types.ModuleType(name), types.ModuleType(f"{name}.{part}")
            setattr(package, part, module)
            sys.modules |= {name: package, f"{name}.{part}": module}
    return library


def main(folder: str, root: str, epochs: int) -> None:
    library = prepare(folder)
    from d2l import torch as d2l  # type: ignore[import-not-found]

    class DropoutMLP(d2l.Classifier):  # type: ignore[misc]
        """As the chapter writes it."""

        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.lr = 0.1
            self.net = nn.Sequential(
                nn.Flatten(), nn.LazyLinear(256), nn.ReLU(), nn.Dropout(0.2),
                nn.LazyLinear(256), nn.ReLU(), nn.Dropout(0.5), nn.LazyLinear(10),
            )  # fmt: skip

    d2l.DataModule.__init__.__defaults__ = (root, 4)  # where its own class looks for the files
    torch.manual_seed(0)
    data = d2l.FashionMNIST(batch_size=256)
    model, trainer = DropoutMLP(), d2l.Trainer(max_epochs=epochs)
    model.board.display = False
    begun = time.perf_counter()
    trainer.fit(model, data)
    print(time.perf_counter() - begun)
    model.eval()
    right = [(model(x).argmax(1) == y).float().sum() for x, y in data.val_dataloader()]
    print(float(sum(right)) / len(data.val))
    del library


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
