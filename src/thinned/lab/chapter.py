"""The textbook chapter's network as a factory of a model, for searches that need no model of the user's own."""

from torch import nn

WIDTH = 256


def perceptron(features: int, classes: int) -> nn.Module:
    """Two hidden layers of 256 units with dropout after each, from PyTorch's own initial weights.

    Example:
        >>> perceptron(784, 10)[2]
        ReLU()
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(features, WIDTH),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(WIDTH, classes),
    )
