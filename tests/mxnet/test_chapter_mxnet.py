"""`chapter_mxnet.py`: correct at the edges, and the two networks of each edition are one."""

import chapter_mxnet as chapter
import numpy as np
import pytest

from thinned.lab.data import load

EDITIONS = pytest.mark.parametrize("edition", [chapter.ND, chapter.NP], ids=["nd", "np"])
SIXTEEN = np.arange(16, dtype=np.float32).reshape(2, 8)


@EDITIONS
class TestDropoutLayer:
    """From a uniform draw."""

    def test_edges(self, edition):
        """Rate 0 changes nothing, rate 1 leaves nothing."""
        with chapter.semantics(edition):
            x = edition.array(SIXTEEN)

            assert np.array_equal(SIXTEEN, edition.dropout(x, 0).asnumpy())
            assert not edition.dropout(x, 1).asnumpy().any()

    def test_half(self, edition):
        """An element is dropped or doubled, as its draw says; a draw of exactly the rate stays."""
        with chapter.semantics(edition):
            u = np.linspace(0, 15 / 16, 16, dtype=np.float32).reshape(2, 8)
            y = edition.dropout(edition.array(SIXTEEN), 0.5, edition.array(u)).asnumpy()
            own = edition.dropout(edition.array(SIXTEEN), 0.5).asnumpy()

        assert np.array_equal(np.where(u >= 0.5, 2 * SIXTEEN, 0), y)
        assert (np.isclose(own, 2 * SIXTEEN) | (own == 0)).all()

    def test_infinities(self, edition):
        """A dropped one is 0."""
        with chapter.semantics(edition):
            x, u = edition.array(np.full(2, np.inf)), edition.array(np.array([0.1, 0.9]))

            assert [0, np.inf] == edition.dropout(x, 0.5, u).asnumpy().tolist()

    @pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
    def test_no_rate(self, edition, p):
        """It is refused."""
        with pytest.raises(ValueError, match="probability of dropping"):
            edition.dropout(edition.array(SIXTEEN), p)


@EDITIONS
class TestLesson:
    """On the digits."""

    def test_networks_are_one(self, edition):
        """With the same draws they end in the same place, to the rounding of float64."""
        with chapter.semantics(edition):
            curves, difference = chapter.lesson(edition, load("digits"), epochs=2)

        assert difference < 1e-12
        assert 3 == len(curves)
        _, scratch, net = curves
        for one, other in zip(scratch.values.values(), net.values.values(), strict=True):
            assert np.allclose(one, other, rtol=1e-6)  # MXNet adds up losses in another order

    def test_they_learn(self, edition):
        """Enough to see that the gradient is one: far above chance after twenty epochs."""
        data = load("digits")
        with chapter.semantics(edition):
            net = chapter.gluon_mlp(len(data.classes))
            trainer = chapter.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.002})
            curves = chapter.train(net, trainer.step, data, "a", 8, lambda _: None, edition)

        assert curves.values["test accuracy"][-1] > 0.8


def test_the_script(tmp_path, capsys):
    """It shows sixteen numbers, trains, and leaves a picture."""
    chapter.main(["--data", "digits", "--epochs", "1", "--out", str(tmp_path / "new")])
    said = capsys.readouterr().out

    assert "dropout_nd(x, 0.5):" in said
    assert "dropout_np(x, 1.0):" in said
    assert b"\x89PNG" == (tmp_path / "new" / "curves.png").read_bytes()[:4]
