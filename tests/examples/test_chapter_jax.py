"""The chapter in JAX says what is true: on rates 0, 0.5 and 1, and on its networks."""

from dataclasses import replace
from pathlib import Path

import chapter_jax as chapter
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from curves import Curves

from thinned.lab.data import Data, load

EPOCHS = 3
X = jnp.arange(16.0).reshape(2, 8)


@pytest.fixture(name="digits", scope="module")
def _digits() -> Data:
    """Two batches of the embedded digits: each shape of a batch compiles each network anew."""
    whole = load("digits")
    return replace(whole, train_x=whole.train_x[:512], train_y=whole.train_y[:512])


class TestDropoutLayer:
    """`dropout_layer`."""

    def test_rate_0_keeps_all(self) -> None:
        """Bit for bit, even where a draw is exactly 0."""
        assert X.tolist() == chapter.dropout_layer(X, 0.0, jnp.zeros((2, 8))).tolist()

    def test_rate_1_keeps_none(self) -> None:
        """All zeros, none of them NaN."""
        assert [[0.0] * 8] * 2 == chapter.dropout_layer(X, 1.0, jnp.ones((2, 8))).tolist()

    def test_rate_a_half_doubles_what_it_keeps(self) -> None:
        """Draws of at least one half keep; an element that is kept is divided by one half."""
        u = jnp.tile(jnp.array([0.0, 0.49, 0.5, 0.99]), 4).reshape(2, 8)

        expected = [[0.0, 0, 4, 6, 0, 0, 12, 14], [0, 0, 20, 22, 0, 0, 28, 30]]
        assert expected == chapter.dropout_layer(X, 0.5, u).tolist()

    @pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
    def test_a_rate_outside_0_to_1_is_refused(self, p: float) -> None:
        """It says what was expected."""
        with pytest.raises(ValueError, match=r"expected p in \[0, 1\]"):
            chapter.dropout_layer(X, p, X)


class TestLesson:
    """The networks."""

    def test_the_same_draws_make_the_same_network(self, digits: Data) -> None:
        """From scratch, in NNX and in Linen, to within what float64 rounds in this many steps; keys differ."""
        shown: list[Curves] = []

        class Live:
            def __enter__(self) -> object:
                return shown.append

            def __exit__(self, *_: object) -> None:
                pass

        curves, difference = chapter.lesson(digits, EPOCHS, Live)
        losses = [each.values["training loss"] for each in curves]

        assert difference < 1e-12
        assert 5 * EPOCHS == len(shown)
        np.testing.assert_allclose(losses[2], losses[3], rtol=1e-12)
        np.testing.assert_allclose(losses[2], losses[4], rtol=1e-12)
        assert not np.allclose(losses[0], losses[2], rtol=1e-6)
        assert not np.allclose(losses[1], losses[2], rtol=1e-6)

    def test_it_learns(self, digits: Data) -> None:
        """Steeper weights leave the flat start of N(0, 0.01) at once."""
        start = {name: 10 * value for name, value in chapter.first_weights(64, 10).items()}
        learner = chapter.with_the_step(start, 0)
        curves = chapter.train(learner, digits, "", 20, lambda _: None)

        assert curves.values["test accuracy"][-1] > 0.7
        assert 40 == learner.state.step

    def test_small_data_gets_more_epochs(self, digits: Data) -> None:
        """Ten where there are batches enough."""
        many = replace(digits, train_x=np.zeros((60_000, 8, 8), np.float32))

        assert 10 == chapter.textbook_epochs(many)
        assert chapter.textbook_epochs(digits) > 10

    def test_the_script(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It shows the layer, names the data and draws the curves."""
        curves = Curves("a", 1)
        curves.add(2.0, 0.25, 0.5)
        monkeypatch.setattr(chapter, "lesson", lambda data, epochs: ([curves], 0.0))
        chapter.main(["--data", "digits", "--epochs", "1", "--out", str(tmp_path)])

        assert "dropout_layer(x, 0.5):" in capsys.readouterr().out
        assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
        assert not jax.config.jax_enable_x64
