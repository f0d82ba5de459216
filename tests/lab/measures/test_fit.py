"""What a network knows by heart."""

from tests.lab.measures.small import context, examples, model, settings
from thinned.lab.measures.fit import measure


class TestMeasure:
    """The share of training labels."""

    def test_dropout_is_off(self):
        """It is the accuracy of the network as it is tested, on the labels as they are trained on."""
        configuration = settings()
        made, data = model(configuration), examples()
        right = (made(data.train_x).argmax(1) == data.train_y).double().mean()

        assert float(right) == measure(made, data, context(configuration))["fitted"]
