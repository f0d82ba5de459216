"""Methods of the catalogue against the obvious PyTorch expression of each, as ratios; see PROTOCOL.md."""

from collections.abc import Callable, Iterator
from functools import partial

import apart
import torch
import torch.nn.functional as F
from measure import Row, compare, in_process, medians, run
from torch import Tensor, nn

import thinned.torch


def drop_block() -> Iterator[Row]:
    """Against what every implementation in PyTorch does: one mask of the batch, dilated by a pooling."""
    x = torch.randn(64, 64, 32, 32)

    def theirs(x: Tensor) -> Tensor:
        size = 7
        seeds = (torch.rand_like(x) < 0.1 / size**2).float()
        kept = 1 - F.max_pool2d(seeds, size, stride=1, padding=size // 2)
        return x * kept * (kept.numel() / kept.sum())

    def ours(x: Tensor) -> Tensor:
        return thinned.torch.drop_block(x, 0.1, 7, seed=0)

    def shared(x: Tensor) -> Tensor:
        return thinned.torch.drop_block(x, 0.1, 7, seed=0, share=1)

    peer = "rand < gamma, max_pool2d, normalise"
    yield compare("DropBlock, block 7, forward, 2^22", lambda: ours(x), peer, lambda: theirs(x), 10)
    yield compare("the same, channels shared", lambda: shared(x), peer, lambda: theirs(x), 10)
    half = x.bfloat16()
    yield compare("the same, bfloat16", lambda: ours(half), f"{peer}, float32", lambda: theirs(x), 10)
    leaf, gradient = x.clone().requires_grad_(), torch.ones_like(x)
    yield compare(
        "DropBlock, block 7, forward + backward, 2^22",
        step(ours, leaf, gradient),
        peer,
        step(theirs, leaf, gradient),
        10,
    )


def drop_connect() -> Iterator[Row]:
    """Against weights that are made for each example, by our own kernel and PyTorch's fastest sum over them."""
    gradient = torch.randn(256, 256)
    x, weight = torch.randn(256, 784, requires_grad=True), torch.randn(256, 784, requires_grad=True)

    def forward_backward(product: Callable[[Tensor, Tensor], Tensor]) -> None:
        x.grad = weight.grad = None
        product(x, weight).backward(gradient)

    peer = "dropout(weight.expand(...)), einsum"
    yield compare(
        "DropConnect per example, 256 x 784 -> 256, forward + backward",
        lambda: forward_backward(apart.drop_connect),
        peer,
        lambda: forward_backward(apart.drop_connect_made),
        5,
    )
    mine, theirs = in_process("drop_connect_peak"), in_process("drop_connect_made_peak")
    yield Row("the same, MiB at the peak", peer, theirs / mine, 100, mine, theirs)


def stochastic_depth() -> Iterator[Row]:
    """A training step of a 12-block MLP-mixer, both branches of a block at rate 0.3, against rate 0."""
    x, target = torch.randn(32, 64, 48), torch.randint(10, (32,))
    calls = []
    for rate in (0.3, 0.0):
        model = thinned.torch.bind(mixer(rate), seed=0)
        optimiser = torch.optim.AdamW(model.parameters())

        def training_step(model: nn.Module = model, optimiser: torch.optim.Optimizer = optimiser) -> None:
            optimiser.zero_grad()
            F.cross_entropy(model(x).mean(1), target).backward()
            optimiser.step()

        calls.append(training_step)
    found = medians({"thinned": calls[0], "whole": calls[1]}, rounds=31)
    mine, theirs = found["thinned"], found["whole"]
    case = "StochasticDepth(0.3), a step of a 12-block MLP-mixer"
    yield Row(case, "the same without dropping", mine / theirs, 0.8, mine, theirs, at_most=True)


def mixer(rate: float, tokens: int = 64, width: int = 128, blocks: int = 12) -> nn.Sequential:
    """Pictures of 64 patches of 4 x 4 x 3 numbers, to ten logits for each patch."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(48, width)]
    for _ in range(blocks):
        layers.append(thinned.torch.StochasticDepth(Transposed(perceptron(tokens, width // 2), width), rate))
        layers.append(
            thinned.torch.StochasticDepth(
                nn.Sequential(nn.LayerNorm(width), *perceptron(width, 4 * width)), rate
            )
        )
    return nn.Sequential(*layers, nn.LayerNorm(width), nn.Linear(width, 10))


def perceptron(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class Transposed(nn.Module):
    """Mixes tokens."""

    def __init__(self, inner: nn.Module, width: int) -> None:
        super().__init__()
        self.inner, self.norm = inner, nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Axes (picture, token, feature)."""
        found: Tensor = self.inner(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return found


def embedding_dropout() -> Iterator[Row]:
    """Against AWD-LSTM's way: a masked matrix, and a look-up in it."""
    ids, gradient = torch.randint(33_000, (35, 40)), torch.randn(35, 40, 400)
    layer = thinned.torch.EmbeddingDropout(33_000, 400, p=0.1)
    weight = layer.weight

    def theirs() -> None:
        weight.grad = None
        mask = weight.data.new().resize_((33_000, 1)).bernoulli_(0.9).expand_as(weight) / 0.9
        F.embedding(ids, mask * weight).backward(gradient)

    def ours() -> None:
        weight.grad = None
        layer(ids).backward(gradient)

    yield compare("EmbeddingDropout, 33,000 words of 400", ours, "mask * weight, look-up", theirs, 2)


def patch_dropout() -> Iterator[Row]:
    """Against timm's way: argsort of random numbers, and a gather."""
    layer, gradient = thinned.torch.PatchDropout(0.5), torch.randn(64, 99, 192)
    x = torch.randn(64, 197, 192, requires_grad=True)

    def theirs(x: Tensor) -> Tensor:
        first, rest = x[:, :1], x[:, 1:]
        kept = torch.argsort(torch.randn(64, 196), dim=-1)[:, :98]
        return torch.cat((first, rest.gather(1, kept.unsqueeze(-1).expand(-1, -1, 192))), dim=1)

    yield compare(
        "PatchDropout(0.5), 64 x 197 x 192, forward + backward",
        step(layer, x, gradient),
        "argsort(randn), gather",
        step(theirs, x, gradient),
        1,
    )


def shared_draws() -> Iterator[Row]:
    """One draw for many elements: what is left is one pass over memory, on both sides."""
    x = torch.randn(64, 256, 256)
    locked, path = thinned.torch.LockedDropout(0.5), thinned.torch.DropPath(0.5)
    yield compare(
        "LockedDropout, 64 x 256 x 256",
        lambda: locked(x),
        "bernoulli, times x",
        lambda: x * x.new_empty(1, 256, 256).bernoulli_(0.5).div_(0.5),
        1,
    )
    yield compare(
        "DropPath, 64 x 256 x 256",
        lambda: path(x),
        "bernoulli, times x",
        lambda: x * x.new_empty(64, 1, 1).bernoulli_(0.5).div_(0.5),
        0.8,
    )


def concrete_dropout() -> Iterator[Row]:
    """Against the authors' own expression of it, as their code has it."""
    x, rate = torch.randn(1 << 22, requires_grad=True), torch.tensor(0.3, requires_grad=True)
    gradient = torch.randn(1 << 22)

    def theirs(x: Tensor) -> Tensor:
        eps, u = 1e-7, torch.rand_like(x)
        odds = torch.log(rate + eps) - torch.log(1 - rate + eps) + torch.log(u + eps) - torch.log(1 - u + eps)
        return x * (1 - torch.sigmoid(odds / 0.1)) / (1 - rate)

    def ours(x: Tensor) -> Tensor:
        return thinned.torch.concrete_dropout(x, rate, seed=0)

    peer = "rand, log, sigmoid, times x"
    with torch.no_grad():
        yield compare("concrete dropout, forward, 2^22", lambda: ours(x), peer, lambda: theirs(x), 3)
    yield compare(
        "concrete dropout, forward + backward, 2^22",
        step(ours, x, gradient),
        peer,
        step(theirs, x, gradient),
        2,
    )


def bernoulli_and_uniform_laws() -> Iterator[Row]:
    """Alpha and uniform dropout, and the rectifier that is off at random."""
    x = torch.randn(1 << 22)

    def uniform(x: Tensor) -> Tensor:
        return x * (2 * torch.rand_like(x))

    def alpha(x: Tensor) -> Tensor:
        return thinned.torch.alpha_dropout(x, 0.1, seed=0)

    yield compare(
        "alpha dropout, 2^22", lambda: alpha(x), "F.alpha_dropout", partial(F.alpha_dropout, x, 0.1, True), 10
    )
    maps = x.view(64, 64, 32, 32)
    yield compare(
        "feature alpha dropout, 64 x 64 x 32 x 32",
        lambda: thinned.torch.feature_alpha_dropout(maps, 0.1, seed=0),
        "F.feature_alpha_dropout",
        lambda: F.feature_alpha_dropout(maps, 0.1, True),
        1,
    )
    yield compare(
        "uniform dropout, 2^22",
        lambda: thinned.torch.uniform_dropout(x, 0.25, seed=0),
        "x * (2 * rand)",
        lambda: uniform(x),
        5,
    )
    layer = thinned.torch.bind(nn.Sequential(thinned.torch.StochasticReLU(0.5)), 0)
    yield compare(
        "stochastic ReLU, 2^22", lambda: layer(x), "dropout(relu)", lambda: F.dropout(torch.relu(x), 0.5), 10
    )
    leaf, gradient = x.clone().requires_grad_(), torch.ones_like(x)
    yield compare(
        "alpha dropout, forward + backward, 2^22",
        step(alpha, leaf, gradient),
        "F.alpha_dropout",
        step(lambda x: F.alpha_dropout(x, 0.1, True), leaf, gradient),
        10,
    )


def normal_laws() -> Iterator[Row]:
    """Gaussian dropout and noise, and the draws themselves."""
    x, y = torch.randn(1 << 22), torch.empty(1 << 22)

    def ours(x: Tensor) -> Tensor:
        return thinned.torch.gaussian_dropout(x, 0.5, seed=0)

    def theirs(x: Tensor) -> Tensor:
        return x * (1 + torch.randn_like(x))

    yield compare("Gaussian dropout, 2^22", lambda: ours(x), "x * (1 + s * randn)", lambda: theirs(x), 3)
    yield compare(
        "Gaussian noise, 2^22",
        lambda: thinned.torch.gaussian_noise(x, 0.1, seed=0),
        "x + s * randn",
        lambda: x + 0.1 * torch.randn_like(x),
        3,
    )
    yield compare(
        "normals alone, 2^22",
        lambda: thinned.torch.normal((1 << 22,), seed=0),
        "torch.randn(out=y)",
        lambda: torch.randn(1 << 22, out=y),
        2,
    )
    leaf, gradient = x.clone().requires_grad_(), torch.ones_like(x)
    yield compare(
        "Gaussian dropout, forward + backward, 2^22",
        step(ours, leaf, gradient),
        "x * (1 + s * randn)",
        step(theirs, leaf, gradient),
        2,
    )


def zoneout() -> Iterator[Row]:
    """One step of states, against a comparison with uniform draws."""
    new, old = torch.randn(2**22), torch.randn(2**22)
    yield compare(
        "zoneout, forward, 2^22",
        lambda: thinned.torch.zoneout(new, old, 0.1, seed=0),
        "where(rand < p, old, new)",
        lambda: torch.where(torch.rand_like(new) < 0.1, old, new),
        1,
    )


def attention() -> Iterator[Row]:
    """DropKey and DropHead on 2^22 logits, against their papers' code."""
    x = torch.randn(16, 8, 128, 256)
    keys, heads = thinned.torch.DropKey(0.1), thinned.torch.AttentionDropout(0.1, per="head")
    yield compare(
        "DropKey, forward, 2^22",
        lambda: keys(x),
        "x + bernoulli * -1e12",
        lambda: x + torch.bernoulli(torch.full_like(x, 0.1)) * -1e12,
        1,
    )

    def theirs() -> Tensor:
        kept = torch.bernoulli(torch.full((16, 8, 1, 1), 0.9))
        return x * kept * 8 / kept.sum(1, keepdim=True)

    yield compare("DropHead, forward, 2^22", lambda: heads(x), "x * kept * n / sum", theirs, 1)


CASES: dict[str, Callable[[], Iterator[Row]]] = {
    function.__name__: function
    for function in (
        drop_block,
        drop_connect,
        stochastic_depth,
        concrete_dropout,
        embedding_dropout,
        patch_dropout,
        zoneout,
        attention,
        shared_draws,
        bernoulli_and_uniform_laws,
        normal_laws,
    )
}


def step(layer: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Callable[[], object]:
    """A forward and a backward pass."""

    def call() -> None:
        x.grad = None
        layer(x).backward(gradient)

    return call


if __name__ == "__main__":
    with torch.inference_mode(False):
        run("methods", CASES, ["torch"])
