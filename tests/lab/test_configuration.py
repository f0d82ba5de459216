"""What a trial trains."""

import json

import pytest

from thinned.errors import ConfigurationError, RateError
from thinned.lab.configuration import Configuration


class TestConfiguration:
    """Its values and their limits."""

    def test_the_defaults_are_the_chapters(self):
        """Two hidden layers of 256, rates 0.2 and 0.5, SGD at 0.5, batches of 256, ten epochs."""
        found = Configuration()

        assert ((256, 256), (0.2, 0.5), 0.5, 256, 10) == (
            found.hidden,
            found.rates,
            found.lr,
            found.batch,
            found.epochs,
        )

    def test_json_loses_nothing(self):
        """A record's text gives the configuration back."""
        configuration = Configuration((8, 4, 2), (0, 0.25, 1), 0.1, 7, 3)

        assert configuration == Configuration.from_json(json.loads(json.dumps(configuration.as_json())))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"hidden": ()}, "at least one hidden layer"),
            ({"hidden": (256, 0)}, "width of at least 1; got 0"),
            ({"batch": 0}, "batch of at least 1; got 0"),
            ({"epochs": -1}, "epochs of at least 1; got -1"),
            ({"lr": 0}, "learning rate; got 0.0"),
            ({"lr": float("nan")}, "learning rate; got nan"),
            ({"lr": float("inf")}, "learning rate; got inf"),
            ({"rates": (0.1, 0.2, 0.3)}, "each of the 2 hidden layers; got 3: 0.1, 0.2, 0.3"),
            ({"hidden": 64}, "expected a sequence for hidden; got 64"),
            ({"hidden": (2.5, 2)}, "expected an integer for width; got 2.5"),
            ({"hidden": "256"}, "expected a sequence for hidden; got '256'"),
            ({"rates": ("0.5",)}, "expected a number for rate; got '0.5'"),
            ({"lr": "fast"}, "expected a number for learning rate; got 'fast'"),
            ({"lr": 10**400}, "learning rate; got inf"),
            ({"batch": True}, "expected an integer for batch; got True"),
            ({"epochs": 1e3}, "expected an integer for epochs; got 1000.0"),
            ({"momentum": 0.9}, "expected settings from hidden, rates, lr, .*; got momentum"),
        ],
    )
    def test_what_cannot_be_trained_is_refused(self, settings, message):
        """The error says what was expected and what came."""
        with pytest.raises(ConfigurationError, match=message):
            Configuration().changed(settings)

    @pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), 1e-9])
    def test_rates_are_the_laws(self, rate):
        """What no mask stands for is the law's own error."""
        with pytest.raises(RateError):
            Configuration(rates=(rate, 0.5))

    @pytest.mark.parametrize(
        ("settings", "hidden", "rates"),
        [
            ({"hidden": (64,)}, (64, 64), (0.2, 0.5)),
            ({"rates": (0.3,)}, (256, 256), (0.3, 0.3)),
            ({"hidden": (8, 8, 8), "rates": (0.1,)}, (8, 8, 8), (0.1, 0.1, 0.1)),
        ],
    )
    def test_one_number_stands_for_every_layer(self, settings, hidden, rates):
        """A single width keeps the number of layers, a single rate follows it."""
        found = Configuration().changed(settings)

        assert (hidden, rates) == (found.hidden, found.rates)
