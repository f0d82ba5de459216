"""Models of the user's own: which dropouts are set, and what cannot be trained."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import thinned.torch
from thinned.errors import ConfigurationError
from thinned.lab.data import Data
from thinned.lab.own import TorchTask
from thinned.lab.user_model import METHODS, check_model, rated, task_on

pytestmark = pytest.mark.long

DRAWS = np.random.default_rng(0)
DATA = Data(
    name="mine",
    train_x=DRAWS.normal(size=(40, 6)).astype(np.float32),
    train_y=np.arange(40) % 3,
    test_x=DRAWS.normal(size=(12, 6)).astype(np.float32),
    test_y=np.arange(12) % 3,
    classes=("a", "b", "c"),
    source="By hand.",
)


class Net(nn.Module):
    """Dropouts of every kind that is set."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, dropout=0.3, batch_first=True)
        self.recurrent = nn.LSTM(6, 6, 2, dropout=0.3, batch_first=True)
        self.body = nn.Sequential(nn.Dropout(0.3), nn.Dropout1d(0.3), nn.AlphaDropout(0.3))
        self.path = thinned.torch.DropPath(0.3)
        self.end = nn.Linear(6, 3)

    def forward(self, x):
        """Logits."""
        x, _ = self.attention(x[:, None], x[:, None], x[:, None])
        return self.end(self.path(self.body(self.recurrent(x)[0])[:, 0]))


def make():
    """A perceptron."""
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))


def with_rate(rate):
    """One that divides it."""
    return nn.Sequential(nn.Dropout(rate / 2), nn.Linear(6, 3))


def needs(width, depth=2):
    """One that cannot be called without arguments."""


def raises():
    """One that fails."""
    raise KeyError("width")


class TestRated:
    """Where the rate goes."""

    def test_every_dropout_gets_it_and_drop_path_stays(self):
        """Layers, and what attention and recurrence drop inside."""
        model = rated(Net, 0.1)
        rates = [model.attention.dropout, model.recurrent.dropout, *(each.p for each in model.body)]

        assert [0.1] * 5 == rates
        assert 0.3 == model.path.p

    @pytest.mark.parametrize("method", METHODS)
    def test_another_method_takes_the_place_of_the_layers(self, method):
        """At the rate, and it trains."""
        model = rated(make, 0.25, method)

        assert getattr(thinned.torch, method) is type(model[2]) or method == "Dropout"
        assert 0.25 == model[2].p
        assert (2, 3) == model.train()(torch.zeros(2, 6)).shape

    def test_a_factory_that_asks_for_the_rate_decides_what_to_do_with_it(self):
        """Nothing else is set."""
        assert 0.1 == rated(with_rate, 0.2)[0].p

    def test_a_whole_model_that_is_one_dropout(self):
        """It is replaced."""
        assert "GaussianDropout" == type(rated(nn.Dropout, 0.2, "GaussianDropout")).__name__


class TestTaskOn:
    """A model on data."""

    def test_it_trains(self):
        """With a method and a rate as settings."""
        task = task_on(Net, DATA, epochs=1)

        assert "finished" == task.run({"settings": {"rate": 0.2, "method": "UniformDropout"}}, 0).status

    @pytest.mark.parametrize(
        ("factory", "message"),
        [
            (needs, "without arguments, or with rate alone; mine.py:make takes width"),
            (raises, "calling it raised KeyError: 'width'"),
            (lambda: None, "gave none: expected a torch.nn.Module; got NoneType"),
            (Net(), "is a model, Net, which every run would go on training"),
            (3, "mine.py:make is int"),
            (lambda: nn.Linear(6, 3), "with dropout, whose rate can be set; got a Linear without any"),
            (lambda: nn.Sequential(nn.Dropout(), nn.Linear(6, 2)), r"shape \(2, 3\).* gave \(2, 2\)"),
            (lambda: nn.Sequential(nn.Dropout(), nn.Linear(7, 3)), r"of shape \(2, 6\) in torch.float32"),
            (lambda: nn.Sequential(nn.Dropout(), nn.LSTM(6, 3)), "expected a tensor of logits.* got tuple"),
            (
                lambda: nn.Sequential(nn.Dropout(), nn.Linear(6, 3), nn.Softmax(1)),
                "got probabilities, which sum to 1",
            ),
        ],
    )
    def test_what_cannot_be_trained_is_refused(self, factory, message):
        """Before anything is trained, and the caller's generator has not moved."""
        before = torch.random.get_rng_state()

        with pytest.raises(ConfigurationError, match=message):
            check_model(factory, "mine.py:make", DATA)
        assert torch.equal(before, torch.random.get_rng_state())

    @pytest.mark.parametrize("changes", [{"lr": 0}, {"optimiser": "magic"}])
    def test_so_is_training_that_is_none(self, changes):
        """A rate of learning, an optimiser."""
        with pytest.raises(ConfigurationError, match="expected a"):
            task_on(make, DATA, **changes)


class TestPurity:
    """A record's key is the same in another process, and a trial does not depend on those before."""

    def test_a_function_within_a_partial_has_no_address(self):
        """Else no record would be found again."""
        tensors = torch.from_numpy(DATA.train_x), torch.from_numpy(DATA.train_y)

        def code(inner):
            return TorchTask(partial(rated, inner), tensors, tensors).code()

        same = [eval("lambda: None", {}) for _ in range(2)]  # noqa: S307 - two objects without a source

        assert code(make) == code(make) != code(with_rate)
        assert code(same[0]) == code(same[1])

    def test_a_loader_with_a_generator_of_its_own_begins_anew(self):
        """It would go on where the trial before left it."""
        tensors = torch.from_numpy(DATA.train_x), torch.from_numpy(DATA.train_y)
        loader = DataLoader(
            TensorDataset(*tensors), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(5)
        )
        task = TorchTask(with_rate, loader, tensors, epochs=1)
        one, other = (task.run({"settings": {"rate": 0.2}}, 0) for _ in range(2))

        assert one == other

    def test_augmentation_by_any_generator_is_the_seeds(self):
        """NumPy's and Python's, which are left as they were."""
        tensors = torch.from_numpy(DATA.train_x), torch.from_numpy(DATA.train_y)

        class Noisy(TensorDataset):
            def __getitem__(self, index):
                x, y = super().__getitem__(index)
                return x + np.random.rand(), y  # noqa: NPY002 - what users do

        task = TorchTask(with_rate, Noisy(*tensors), tensors, epochs=1)
        one = task.run({"settings": {"rate": 0.2}}, 0)
        np.random.rand(3)  # noqa: NPY002 - another process is elsewhere
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        other = task.run({"settings": {"rate": 0.2}}, 0)

        assert one == other
        assert (before == np.random.get_state()[1]).all()  # noqa: NPY002
