"""Mistakes that were once missed, right code that was once accused: dropout between two linear layers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.diagnosis.test_strangers import found


class Between(nn.Module):
    """Linear, ReLU, what a subclass does, linear."""

    def __init__(self, **stated):
        super().__init__()
        self.first, self.last = nn.Linear(64, 64), nn.Linear(64, 10)
        vars(self).update(stated)

    def drop(self, h):
        """What the subclass does."""
        return h

    def forward(self, x):
        """In this order."""
        return self.last(self.drop(self.first(x).relu()))


class Forgotten(Between):
    """Calls the functional without the rate."""

    def drop(self, h):
        """A look at the rate is no use of it."""
        return F.dropout(h, training=self.training) if self.p > 0 and self.training else h


class Bare(Between):
    """Makes a layer without the rate."""

    def __init__(self, dropout):
        super().__init__()
        self.dropout = dropout
        self.layer = nn.Dropout()

    def drop(self, h):
        """By the layer."""
        return self.layer(h)


class Inherited(nn.Dropout):
    """Takes PyTorch's constructor, and forgets what it keeps."""

    def forward(self, x):
        """Without p."""
        return F.dropout(x, training=self.training)


class Attention(nn.Module):
    """Attention without its dropout."""

    def __init__(self, dropout):
        super().__init__()
        self.dropout = dropout
        self.inner, self.out = nn.Linear(32, 96), nn.Linear(32, 10)

    def forward(self, x):
        """Of itself."""
        query, key, value = self.inner(x).chunk(3, -1)
        return self.out(F.scaled_dot_product_attention(query, key, value))


class UsedElsewhere(Between):
    """States a rate for one place, and takes the default at another."""

    def drop(self, h):
        """Both."""
        return F.dropout(self.first(F.dropout(h, self.p, self.training)).relu(), training=self.training)


class HandedOn(Between):
    """Computes its rate from what it states."""

    def drop(self, h):
        """Half as much again."""
        return F.dropout(h, p=min(0.5, 5 * self.p), training=self.training)


class Explicit(Between):
    """Says that it means a half."""

    def drop(self, h):
        """By place."""
        return F.dropout(h, 0.5, self.training)


class Learning(Between):
    """Keeps a rate of another kind."""

    def configured(self):
        """That of learning."""
        return torch.optim.SGD(self.parameters(), lr=self.rate)

    def drop(self, h):
        """At the default."""
        return F.dropout(h, training=self.training)


class Stored(Between):
    """Keeps its rate for people to read, and hands on what it was given."""

    def __init__(self, p):
        super().__init__(p=p)
        self.layer, self.inner = nn.Dropout(p), nn.Linear(64, 64)

    def drop(self, h):
        """At both."""
        return F.dropout(self.inner(self.layer(h)).relu(), training=self.training)


class Unpacked(Between):
    """Gives what a dictionary holds."""

    def drop(self, h):
        """By its name."""
        return F.dropout(h, **{"p": 0.5, "training": self.training})


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (lambda: Forgotten(p=0.1), (32, 64)),
        (lambda: Bare(0.1), (32, 64)),
        (lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), Inherited(0.1), nn.Linear(64, 10)), (32, 64)),
        (lambda: Attention(0.1), (8, 12, 32)),
    ],
    ids=["functional", "layer", "subclass", "attention"],
)
def test_a_stated_rate_that_no_call_gets(model, shape):
    """Is found by the source of the line and of the class."""
    assert found(model(), torch.rand(shape)) == {("default-rate", "error")}


@pytest.mark.parametrize(
    "model",
    [
        lambda: Forgotten(p=0.5),
        lambda: UsedElsewhere(p=0.1),
        lambda: HandedOn(p=0.1),
        lambda: Unpacked(p=0.1),
        lambda: Explicit(p=0.1),
        lambda: Learning(rate=0.1),
        lambda: Stored(0.1),
        lambda: Bare(0.5),
    ],
    ids=[
        "the same",
        "used elsewhere",
        "handed on",
        "unpacked",
        "explicit",
        "learning",
        "stored",
        "as a layer",
    ],
)
def test_a_default_that_is_meant(model):
    """Or may be, is not."""
    assert found(model(), torch.rand(32, 64)) == set()


class Kept(Between):
    """Draws its mask once, when it is made."""

    def __init__(self, *, always=False):
        super().__init__()
        self.always = always
        self.register_buffer("mask", (torch.rand(64, generator=torch.Generator().manual_seed(0)) < 0.5) * 2.0)

    def drop(self, h):
        """In training, or always, as a pruned network does."""
        return h * self.mask if self.training or self.always else h


class Foreign(Between):
    """Draws from a generator of NumPy that each call seeds, or that none does."""

    def drop(self, h):
        """Where neither PyTorch nor NumPy's own state can see it."""
        kept = np.random.default_rng(self.seed).random(h.shape) < 0.5
        return h * torch.from_numpy(kept.astype("float32")) / 0.5 if self.training else h


class NeverOff(Between):
    """Its eval() does nothing."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Dropout(0.5)

    def drop(self, h):
        """By a layer."""
        return self.layer(h)

    def eval(self):
        """Forgets to call its parent's."""
        return self


class PostNorm(Between):
    """Normalises a sum that dropout acted on."""

    def __init__(self, *, branch):
        super().__init__()
        self.branch, self.norm, self.layer, self.inner = (
            branch,
            nn.LayerNorm(64),
            nn.Dropout(0.2),
            nn.Linear(64, 64),
        )

    def drop(self, h):
        """On the sum, or on what is added."""
        more = self.inner(h)
        return self.norm(h + self.layer(more) if self.branch else self.layer(h + more))


class Masked(Between):
    """Puts a learned token, which begins at zero, in the place of what it hides."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(64))

    def drop(self, h):
        """Half of the samples."""
        return torch.where(torch.rand(len(h), 1) < 0.5, self.token, h) if self.training else h


@pytest.mark.parametrize(
    ("model", "rules"),
    [
        (Kept, {("same-mask-each-step", "error")}),
        (lambda: Kept(always=True), set()),
        (lambda: Foreign(seed=0), {("same-mask-each-step", "error")}),
        (lambda: Foreign(seed=None), set()),
        (NeverOff, {("active-in-eval", "error")}),
        (lambda: PostNorm(branch=False), {("on-residual-sum", "warning")}),
        (lambda: PostNorm(branch=True), set()),
        (Masked, set()),
    ],
    ids=["a mask that is kept", "a pruned network", "NumPy, seeded", "NumPy", "eval() that does nothing",
         "a sum before its norm", "a branch before its norm", "a learned token"],
)  # fmt: skip
def test_what_was_missed_or_accused(model, rules):
    """Once."""
    assert found(model(), torch.rand(32, 64)) == rules


class Unread(Between):
    """Calls dropout, and goes on with what it gave it."""

    def __init__(self, *, inplace=False):
        super().__init__()
        self.layer = nn.Dropout(0.5, inplace=inplace)

    def drop(self, h):
        """In place it would be right."""
        h = h + 0
        self.layer(h)
        return h


class Keeping(Between):
    """Has a keep rate."""

    def drop(self, h):
        """As TensorFlow once took it."""
        return F.dropout(h, self.keep_prob, self.training)


class Turned(Between):
    """Has a keep rate, and knows it."""

    def drop(self, h):
        """As PyTorch takes it."""
        return F.dropout(h, 1 - self.keep_prob, self.training)


class Nothing(Between):
    """Draws whole numbers below one."""

    def drop(self, h):
        """None is left."""
        return h * torch.randint(0, 1, h.shape) / 0.5 if self.training else h


class Straight(Between):
    """Adds what was dropped, where no gradient sees it; or adds it to itself, where one does."""

    def drop(self, h):
        """Twice the data, half of it dropped, or the data with a hidden mask."""
        h = F.dropout(h, 0.1, self.training) @ self.last.weight.t().repeat(1, 7)[:, :64].relu()
        dropped = F.dropout(h, 0.5, self.training)
        return h + (dropped - h).detach() if self.hidden else h + dropped


class Sequences(nn.Module):
    """Shares a mask over time, by a function that says so."""

    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 3)

    def locked_dropout(self, x, p):
        """One mask a sequence."""
        return x * x.new_empty(len(x), 1, x.size(2)).bernoulli_(1 - p) / (1 - p) if self.training else x

    def forward(self, x):
        """Before the output."""
        return self.out(self.locked_dropout(self.rnn(x)[0], 0.3))


@pytest.mark.parametrize(
    ("model", "shape", "rules"),
    [
        (Unread, (32, 64), {("never-called", "warning")}),
        (lambda: Unread(inplace=True), (32, 64), set()),
        (lambda: Keeping(keep_prob=0.8), (32, 64), {("wrong-strength", "error")}),
        (lambda: Turned(keep_prob=0.8), (32, 64), set()),
        (Nothing, (32, 64), {("wrong-strength", "error")}),
        (lambda: Straight(hidden=True), (32, 64), {("backward-mask", "error")}),
        (lambda: Straight(hidden=False), (32, 64), set()),
        (Sequences, (8, 12, 8), set()),
    ],
    ids=[
        "not used",
        "in place",
        "a keep rate",
        "one minus it",
        "nothing is kept",
        "past the mask",
        "through it",
        "shared over time by its name",
    ],
)
def test_more_of_them(model, shape, rules):
    """Each once missed, accused, or told wrongly."""
    assert found(model(), torch.rand(shape)) == rules
