"""How much of its training labels a network knows by heart."""

import torch
from torch import nn

from thinned.lab.configuration import EVALUATION_BATCH
from thinned.lab.measures import Context, Examples


@torch.no_grad()
def measure(model: nn.Module, data: Examples, context: Context) -> dict[str, float]:
    """The training examples whose label the network gives, dropout off.

    The training accuracy of an epoch's record is that of its minibatches under their masks, which says the less
    of what is known by heart, the more is dropped.

    Returns:
        `fitted`: the share, of the labels as they are trained on.
    """
    parts = zip(*(each.split(EVALUATION_BATCH) for each in (data.train_x, data.train_y)), strict=True)
    right = sum(int((model(x).argmax(1) == y).sum()) for x, y in parts)
    return {"fitted": right / len(data.train_y)}
