"""A small Transformer over the rows of an image, with a dropout at each of the five places that are usual."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from thinned import mask
from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration
from thinned.torch import AttentionDropout, Dropout, bind

HEADS = 4
WIDENED = 2
"""The feed-forward layer's hidden units for each unit of the model."""

POSITION_STD = 0.02


class Block(nn.Module):
    """Attention, then a feed-forward layer, each normalised first and added to what came in.

        x <- x + drop(attention(norm(x))),   x <- x + drop(feed_forward(norm(x)))

    Args:
        width: of the model, divisible by `HEADS`.
        rate: of all its dropouts: of the attention weights, of what attention adds, of the feed-forward layer's
            hidden units, and of what that layer adds.
    """

    def __init__(self, width: int, rate: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = _linear(width, 3 * width)
        self.attention_drop = AttentionDropout(rate)
        self.attention_out = _linear(width, width)
        self.attention_out_drop = Dropout(rate)
        self.norm = nn.LayerNorm(width)
        self.up = _linear(width, WIDENED * width)
        self.up_drop = Dropout(rate)
        self.down = _linear(WIDENED * width, width)
        self.down_drop = Dropout(rate)

    def forward(self, x: Tensor) -> Tensor:
        """Axes (batch, row, width), in and out."""
        x = x + self.attention_out_drop(self.attend(self.attention_norm(x)))
        hidden = self.up_drop(torch.relu(self.up(self.norm(x))))
        added: Tensor = self.down_drop(self.down(hidden))
        return x + added

    def attend(self, x: Tensor) -> Tensor:
        """Self-attention of all rows, axes (batch, row, width)."""
        query, key, value = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
        mixed: Tensor = self.attention_out((self.attention_drop(weights) @ value).transpose(1, 2).flatten(2))
        return mixed


class Rows(nn.Module):
    """A Transformer that reads an image row by row, and classifies by the mean over the rows.

    Args:
        rows: of the image.
        columns: of the image.
        classes: how many logits.
        rates: of each block's dropouts; the first is also that of the embedded rows.
        width: of the model.
    """

    def __init__(self, rows: int, columns: int, classes: int, rates: Sequence[float], width: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns
        self.embed = _linear(columns, width)
        self.position = nn.Parameter(torch.zeros(rows, width))
        self.embed_drop = Dropout(rates[0])
        self.blocks = nn.ModuleList(Block(width, rate) for rate in rates)
        self.norm = nn.LayerNorm(width)
        self.out = _linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """From examples, axes (batch, row * column), to logits, axes (batch, class)."""
        hidden = self.embed_drop(self.embed(x.view(-1, self.rows, self.columns)) + self.position)
        for block in self.blocks:
            hidden = block(hidden)
        logits: Tensor = self.out(self.norm(hidden).mean(1))
        return logits


def transformer(shape: Sequence[int], classes: int, configuration: Configuration, seed: int) -> nn.Module:
    """A Transformer whose blocks are as many and as wide as `hidden` says, all equally wide.

    Matrices begin as draws of the law with variance 1 / inputs; biases at 0.

    Args:
        shape: of an example, (rows, columns): each row is one position of the sequence.
        classes: how many logits.
        configuration: `hidden`, the width of each block, and `rates`, of all dropouts in each.
        seed: of the weights and of the masks.

    Returns:
        A bound model: its masks depend only on (seed, layer name, training step).

    Raises:
        ConfigurationError: examples that are no images, or blocks that are not equally wide or cannot be split
            among the heads.

    Example:
        >>> small = Configuration(hidden=(16,), rates=(0.1,))
        >>> transformer((8, 8), 10, small, seed=0)(torch.ones(3, 64)).shape
        torch.Size([3, 10])

    References:
        Vaswani et al., "Attention Is All You Need", 2017, https://arxiv.org/abs/1706.03762. We differ: each part
        normalises what comes in and not what goes out, so that plain SGD trains it; positions are learned.
    """
    if len(shape) != 2:
        raise ConfigurationError(
            "expected examples of axes (row, column) for a Transformer over rows; got examples of axes "
            f"{tuple(shape)}. Use the model mlp for these data."
        )
    width = configuration.hidden[0]
    if set(configuration.hidden) != {width} or width % HEADS:
        raise ConfigurationError(
            f"expected blocks of one width that {HEADS} heads divide; got {configuration.hidden}. Give, for "
            "example, hidden=(64, 64)."
        )
    model = Rows(shape[0], shape[1], classes, configuration.rates, width)
    with torch.no_grad():
        model.position.copy_(_draws(tuple(model.position.shape), seed, "position") * POSITION_STD)
        for name, layer in model.named_modules():
            if isinstance(layer, nn.Linear):
                draws = _draws(tuple(layer.weight.shape), seed, f"{name}.weight")
                layer.weight.copy_(draws * layer.in_features**-0.5)
                layer.bias.zero_()
    bound: nn.Module = bind(model, seed)
    return bound


def _draws(shape: tuple[int, ...], seed: int, site: str) -> Tensor:
    return torch.from_numpy(mask.normal(shape, seed=seed, site=site))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    # nn.Linear would draw from, and advance, the global generator.
    layer: nn.Linear = torch.nn.utils.skip_init(nn.Linear, inputs, outputs)
    return layer
