"""The chapter in TensorFlow says what is true: on rates 0, 0.5 and 1, on masks, and on the two networks."""

import math
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is imported

import chapter_tensorflow as chapter
import numpy as np
import pytest
import tensorflow as tf
from curves import Curves

from thinned.lab.data import Data, load
from thinned.mask import keep

EPOCHS = 16
"""Enough on the digits to leave the flat start of N(0, 0.01), so that the trained networks differ from it."""

ROUNDOFF = 2.0**-53
DISTURBANCE = 1e-8
X = tf.reshape(tf.range(16.0), (2, 8))


def unwatched(_: Curves) -> None:
    """Nobody looks at these curves."""


@pytest.fixture(name="digits", scope="module")
def _digits() -> Data:
    """The embedded digits."""
    return load("digits")


class TestDropoutLayer:
    """`dropout_layer`."""

    def test_rate_0_keeps_all(self) -> None:
        """Bit for bit, even where a draw is exactly 0."""
        assert X.numpy().tolist() == chapter.dropout_layer(X, 0.0, tf.zeros((2, 8))).numpy().tolist()

    def test_rate_1_keeps_none(self) -> None:
        """All zeros, none of them NaN."""
        assert [[0.0] * 8] * 2 == chapter.dropout_layer(X, 1.0).numpy().tolist()

    def test_rate_a_half_doubles_what_it_keeps(self) -> None:
        """Draws of at least one half keep; an element that is kept is divided by one half."""
        u = tf.reshape(tf.tile([0.0, 0.49, 0.5, 0.99], [4]), (2, 8))

        expected = [[0.0, 0, 4, 6, 0, 0, 12, 14], [0, 0, 20, 22, 0, 0, 28, 30]]
        assert expected == chapter.dropout_layer(X, 0.5, u).numpy().tolist()

    def test_its_own_draws_drop_some_and_keep_some(self) -> None:
        """Without draws given it draws; 200 elements all alike would come once in 2^199."""
        tf.random.set_seed(0)

        assert {0.0, 2.0} == set(chapter.dropout_layer(tf.ones(200), 0.5).numpy().tolist())

    def test_a_dropped_infinity_is_zero(self) -> None:
        """Dropping selects; it does not multiply."""
        x = tf.constant([np.inf, np.nan])

        assert [0.0, 0.0] == chapter.dropout_layer(x, 0.5, tf.zeros(2)).numpy().tolist()

    @pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
    def test_a_rate_outside_0_to_1_is_refused(self, p: float) -> None:
        """Nobody drops with probability 1.1."""
        with pytest.raises(ValueError, match=r"expected p in \[0, 1\]"):
            chapter.dropout_layer(X, p)


class TestMasks:
    """Both networks drop the same units, and they are the law's."""

    def test_equal_at_each_step(self, digits: Data) -> None:
        """At each of three steps, in a graph, at both places."""
        places = (("drop1", 0.2), ("drop2", 0.5))
        for net in chapter.twins(digits, seed=7):
            run = tf.function(lambda net=net: [net.drop(tf.ones((9, 256)), p, s) for s, p in places])
            for step in (0, 1, 2**32 - 1):
                net.step.assign(step)
                for found, (site, rate) in zip(run(), places, strict=True):
                    np.testing.assert_array_equal(
                        keep((9, 256), rate, seed=7, site=site, step=step), found != 0
                    )

    def test_prediction_asks_the_whole_network(self, digits: Data) -> None:
        """Without training nothing is dropped, and nothing is drawn."""
        scratch, function = chapter.twins(digits)
        x = chapter.flat(digits.test_x[:5], function)

        assert np.array_equal(scratch(x), function(x))
        assert not np.array_equal(function(x), function(x, training=True))


@pytest.fixture(name="trained", scope="module")
def _trained(digits: Data) -> tuple[list[Curves], float, float]:
    """Both curves, the largest difference of a weight, and what rounding may amount to.

    The bound is that of `test_chapter_torch`: where a relative disturbance d of the first weights moves the
    trained ones by D, the rounding of S steps moves them by at most S * 256 * 2^-53 * D / d.
    """
    scratch, function = chapter.twins(digits)
    _, moved = chapter.twins(digits)
    generator = np.random.default_rng(1)
    for weight in moved.trainable_variables:
        weight.assign(weight * (1 + DISTURBANCE * generator.standard_normal(weight.shape)))
    start = scratch.W1.numpy().copy()
    curves = [chapter.train(net, digits, "", EPOCHS, unwatched) for net in (scratch, function)]
    chapter.train(moved, digits, "", EPOCHS, unwatched)
    assert np.abs(scratch.W1.numpy() - start).max() > 0.1  # they did learn

    steps = EPOCHS * math.ceil(len(digits.train_x) / chapter.BATCH)
    condition = chapter.largest_difference(scratch, moved) / DISTURBANCE
    bound = steps * chapter.HIDDEN * ROUNDOFF * condition
    return curves, chapter.largest_difference(scratch, function), bound


class TestTwins:
    """Trained on the same masks, the two networks are one within rounding."""

    def test_same_network_within_rounding(self, trained: tuple[list[Curves], float, float]) -> None:
        """No weight differs by more than rounding can explain; one other mask would differ by far more."""
        _, difference, bound = trained

        assert difference <= bound < 1e-6

    def test_same_curves(self, trained: tuple[list[Curves], float, float]) -> None:
        """Every accuracy is equal, and every loss to half of float64's digits."""
        (scratch, function), _, _ = trained

        assert scratch.values["training accuracy"] == function.values["training accuracy"]
        assert scratch.values["test accuracy"] == function.values["test accuracy"]
        assert pytest.approx(scratch.values["training loss"], rel=2**-26) == function.values["training loss"]

    def test_another_seed_is_another_network(self, digits: Data) -> None:
        """The comparison can fail: with masks of another seed one epoch already separates them."""
        scratch, function = chapter.twins(digits)
        function.seed = 1
        for net in (scratch, function):
            chapter.train(net, digits, "", 1, unwatched)

        assert chapter.largest_difference(scratch, function) > 1e-6


class TestLesson:
    """The lesson as it is run."""

    def test_from_the_command_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It prints the dropped arrays, three trainings and the difference, and leaves a picture."""
        chapter.main(["--data", "digits", "--epochs", "1", "--out", str(tmp_path / "new")])
        shown = capsys.readouterr().out

        for part in ("dropout_layer(x, 0.5)", "the law's draws", "with the function", "differ by at most"):
            assert part in shown
        assert b"\x89PNG" == (tmp_path / "new" / "curves.png").read_bytes()[:4]

    def test_weights_start_with_deviation_0_01(self, digits: Data) -> None:
        """N(0, 0.01) has standard deviation 0.01: within 5 of its standard errors."""
        weight = chapter.DropoutMLP(64, 10).W2.numpy()

        assert abs(weight.std() - 0.01) < 5 * 0.01 / np.sqrt(2 * weight.size)
