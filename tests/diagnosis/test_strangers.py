"""Models of strangers that were once judged wrongly."""

import torch
import torch.nn.functional as F
from torch import nn

import thinned


class Locked(nn.Module):
    """One layer, called at two rates, as language models do."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 64)

    def drop(self, x, p):
        """One mask for all steps."""
        return x * x.new_empty(x.size(0), 1, x.size(2)).bernoulli_(1 - p) / (1 - p) if self.training else x

    def forward(self, x):
        """Drop before and after the weights, on one line."""
        for p in (0.3, 0.5):
            x = self.head(self.drop(x, p))
        return x


class Tokens(nn.Module):
    """Masked language modelling: tokens are replaced by token 0 in training."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(50, 16), nn.Linear(16, 50)

    def forward(self, x):
        """Replace, embed, predict."""
        if self.training:
            x = torch.where(torch.rand(x.shape) < 0.15, torch.zeros_like(x), x)
        return self.head(self.embedding(x))


class Distilled(nn.Module):
    """A teacher that does not learn stays in evaluation."""

    def __init__(self, *, frozen):
        super().__init__()
        make = lambda: nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 3))  # noqa: E731
        self.student, self.teacher = make(), make().requires_grad_(not frozen)

    def train(self, mode=True):
        """All but the teacher."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, x):
        """Both."""
        return self.student(x), self.teacher(x)


class Replaced(nn.Module):
    """Evaluation takes the dropout out of the model."""

    def __init__(self):
        super().__init__()
        self.first, self.drop, self.last = nn.Linear(20, 64), nn.Dropout(0.5), nn.Linear(64, 3)

    def forward(self, x):
        """Drop, until the first evaluation."""
        if not self.training:
            self.drop = nn.Identity()
        return self.last(self.drop(self.first(x)))


class Scores(nn.Module):
    """Attention that drops before its softmax."""

    def __init__(self):
        super().__init__()
        self.query, self.out = nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x):
        """Weigh by dropped scores."""
        scores = F.dropout(self.query(x) @ x.transpose(1, 2) / 32**0.5, 0.2, self.training)
        return self.out(torch.softmax(scores, -1) @ x)


class MCDropout(nn.Dropout):
    """Samples on purpose."""

    def forward(self, x):
        """Drop always."""
        return F.dropout(x, self.p, training=True)


def found(model, x):
    """Rules and severities."""
    return {(each.rule, each.severity) for each in thinned.audit(model, x)}


def test_one_line_at_two_rates():
    """Each rate is held to its own scale."""
    assert not {rule for rule, _ in found(Locked(), torch.randn(32, 4, 64))} & {"wrong-strength"}


def test_tokens_are_not_scaled():
    """Token 0 is a token."""
    assert found(Tokens(), torch.randint(0, 50, (16, 20))) == set()


def test_a_teacher_may_stay_in_evaluation():
    """What learns may not."""
    assert found(Distilled(frozen=True), torch.randn(32, 20)) == set()
    assert found(Distilled(frozen=False), torch.randn(32, 20)) == {("off-in-training", "warning")}


def test_a_layer_that_evaluation_replaced():
    """It is gone in the next epoch."""
    assert ("stuck-after-eval", "error") in found(Replaced(), torch.randn(32, 20))


def test_dropped_scores():
    """A score of 0 keeps its key."""
    assert found(Scores(), torch.randn(16, 12, 32)) == {("on-logits", "warning")}


def test_sampling_on_purpose_is_a_note():
    """Its class says so."""
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), MCDropout(0.2), nn.Linear(64, 3))
    assert found(model, torch.randn(32, 20)) == {("active-in-eval", "note")}
