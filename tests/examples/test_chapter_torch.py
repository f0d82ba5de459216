"""The textbook's chapter says what is true: on rates 0, 0.5 and 1, on masks, and on the two networks."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import chapter_torch as chapter
import numpy as np
import pytest
import torch
from curves import Curves, bars, in_notebook, picture
from matplotlib.backends.backend_agg import FigureCanvasAgg

from thinned.lab.data import Data, load
from thinned.mask import keep

EPOCHS = 20
"""Enough on the digits to leave the flat start of N(0, 0.01), so that the trained networks differ from it."""

ROUNDOFF = 2.0**-53
DISTURBANCE = 1e-8
X = torch.arange(16, dtype=torch.float32).reshape(2, 8)


def unwatched(_: Curves) -> None:
    """Nobody looks at these curves."""


@pytest.fixture(name="digits", scope="module")
def _digits() -> Data:
    """The embedded digits."""
    return load("digits")


class TestDropoutLayer:
    """`dropout_layer`, the textbook's and the older edition's."""

    @pytest.mark.parametrize("layer", [chapter.dropout_layer, chapter.dropout_layer_older])
    def test_rate_0_keeps_all(self, layer: chapter.Layer) -> None:
        """Bit for bit, even where a draw is exactly 0."""
        assert X.tolist() == layer(X, 0.0, torch.zeros(2, 8)).tolist()

    @pytest.mark.parametrize("layer", [chapter.dropout_layer, chapter.dropout_layer_older])
    def test_rate_1_keeps_none(self, layer: chapter.Layer) -> None:
        """All zeros, none of them NaN, whatever is drawn."""
        assert [[0.0] * 8] * 2 == layer(X, 1.0, torch.rand(2, 8)).tolist()

    def test_rate_a_half_doubles_what_it_keeps(self) -> None:
        """Draws of at least one half keep; an element that is kept is divided by one half."""
        u = torch.tensor([0.0, 0.49, 0.5, 0.99]).repeat(4).reshape(2, 8)

        expected = [[0.0, 0, 4, 6, 0, 0, 12, 14], [0, 0, 20, 22, 0, 0, 28, 30]]
        assert expected == chapter.dropout_layer(X, 0.5, u).tolist()

    def test_the_older_edition_keeps_the_mirrored_draws(self) -> None:
        """`u < 1 - p` keeps for u what `u >= p` keeps for 1 - u, ties apart."""
        u = (torch.arange(16).reshape(2, 8) + 0.5) / 16

        assert (
            chapter.dropout_layer(X, 0.2, 1 - u).tolist() == chapter.dropout_layer_older(X, 0.2, u).tolist()
        )

    def test_its_own_draws_drop_some_and_keep_some(self) -> None:
        """Without draws given it draws; 200 elements all alike would come once in 2^199."""
        torch.manual_seed(0)

        assert {0.0, 2.0} == set(chapter.dropout_layer(torch.ones(200), 0.5).tolist())

    def test_a_dropped_infinity_is_zero(self) -> None:
        """Dropping selects; it does not multiply."""
        x = torch.tensor([torch.inf, torch.nan])

        assert [0.0, 0.0] == chapter.dropout_layer(x, 0.5, torch.zeros(2)).tolist()

    @pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
    def test_a_rate_outside_0_to_1_is_refused(self, p: float) -> None:
        """Nobody drops with probability 1.1."""
        with pytest.raises(ValueError, match=r"expected p in \[0, 1\]"):
            chapter.dropout_layer(X, p)


class TestMasks:
    """Scratch and layers drop the same units, and they are the law's."""

    def test_equal_at_each_step(self, digits: Data) -> None:
        """At every step of an epoch, its short last batch included, all three masks are equal."""
        scratch, layers = chapter.twins(digits, seed=7)
        found: dict[str, list[torch.Tensor]] = {"scratch": [], "layers": []}

        def recorded(x: torch.Tensor, p: float, u: torch.Tensor) -> torch.Tensor:
            found["scratch"].append(chapter.dropout_layer(torch.ones_like(x), p, u) != 0)
            return chapter.dropout_layer(x, p, u)

        scratch.layer = recorded
        for layer in (layers.drop1, layers.drop2):  # one added, so that a zero after dropout is a dropped one
            layer.register_forward_pre_hook(lambda _, given: (given[0] + 1,))
            layer.register_forward_hook(
                lambda which, _, out: found["layers"].append(out != 0) if which.training else None
            )
        for net in (scratch, layers):
            chapter.train(net, digits, "", 1, unwatched)

        rows = [256] * 5 + [162]
        expected = [
            keep((count, 256), rate, seed=7, site=site, step=step)
            for step, count in enumerate(rows)
            for site, rate in (("drop1", 0.2), ("drop2", 0.5))
        ]
        for kind in ("scratch", "layers"):
            assert len(expected) == len(found[kind])
            assert all(np.array_equal(a, b.numpy()) for a, b in zip(expected, found[kind], strict=True))


@pytest.fixture(name="trained", scope="module")
def _trained(digits: Data) -> tuple[list[Curves], float, float]:
    """Both curves, the largest difference of a weight, and what rounding may amount to.

    Where a relative disturbance d of the first weights moves the trained ones by D, the condition of this
    training is D / d. Each of S steps rounds sums of at most n = 256 products, which is as if its weights
    were disturbed by n * 2^-53; S such disturbances, none amplified more than one at the start is, move the
    trained weights by at most S * n * 2^-53 * D / d.
    """
    scratch, layers = chapter.twins(digits)
    other, moved = chapter.twins(digits)
    other.load_state_dict(scratch.state_dict())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in other.parameters():
            weights.mul_(1 + DISTURBANCE * torch.randn(weights.shape, generator=generator))
    chapter.copy_weights(scratch, layers)
    chapter.copy_weights(other, moved)
    start = scratch.W1.detach().clone()
    curves = [chapter.train(net, digits, "", EPOCHS, unwatched) for net in (scratch, layers)]
    chapter.train(moved, digits, "", EPOCHS, unwatched)
    assert (scratch.W1 - start).abs().max() > 0.1  # they did learn

    steps = EPOCHS * math.ceil(len(digits.train_x) / chapter.BATCH)
    condition = chapter.largest_difference(scratch, moved) / DISTURBANCE
    bound = steps * chapter.HIDDEN * ROUNDOFF * condition
    return curves, chapter.largest_difference(scratch, layers), bound


class TestTwins:
    """Trained on the same masks, the two networks are one within rounding."""

    def test_same_network_within_rounding(self, trained: tuple[list[Curves], float, float]) -> None:
        """No weight differs by more than rounding can explain; one other mask would differ by far more."""
        _, difference, bound = trained

        assert difference <= bound < 1e-6

    def test_same_curves(self, trained: tuple[list[Curves], float, float]) -> None:
        """Every accuracy is equal, and every loss to half of float64's digits."""
        (scratch, layers), _, _ = trained

        assert scratch.values["training accuracy"] == layers.values["training accuracy"]
        assert scratch.values["test accuracy"] == layers.values["test accuracy"]
        assert pytest.approx(scratch.values["training loss"], rel=2**-26) == layers.values["training loss"]

    def test_another_seed_is_another_network(self, digits: Data) -> None:
        """The comparison can fail: with masks of another seed one epoch already separates them."""
        scratch, layers = chapter.twins(digits)
        scratch.draw = chapter.by_the_law(1)
        for net in (scratch, layers):
            chapter.train(net, digits, "", 1, unwatched)

        assert chapter.largest_difference(scratch, layers) > 1e-6


class TestLesson:
    """The lesson as it is run."""

    def test_from_the_command_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It prints the dropped arrays, four trainings and the difference, and leaves a picture."""
        chapter.main(["--data", "digits", "--epochs", "1", "--out", str(tmp_path / "new")])
        shown = capsys.readouterr().out

        for part in (
            "dropout_layer(x, 0.5)",
            "older edition",
            "the law's draws",
            "with layers",
            "differ by at most",
        ):
            assert part in shown
        assert b"\x89PNG" == (tmp_path / "new" / "curves.png").read_bytes()[:4]

    def test_epochs_of_the_textbook(self, digits: Data) -> None:
        """Ten on data of the textbook's size; on the digits as many as leave the flat start."""
        large = replace(digits, train_x=np.broadcast_to(digits.train_x[:1], (60000, 8, 8)))

        assert (10, 100) == (chapter.textbook_epochs(large), chapter.textbook_epochs(digits))

    def test_weights_start_with_deviation_0_01(self) -> None:
        """N(0, 0.01) has standard deviation 0.01: within 5 of its standard errors."""
        torch.manual_seed(0)
        weight, bias = chapter.weights(500, 500)

        assert abs(weight.std().item() - 0.01) < 5 * 0.01 / np.sqrt(2 * weight.numel())
        assert [0.0] * 500 == bias.tolist()


class TestCurves:
    """The bars and the picture."""

    def test_bars_keep_to_their_width(self) -> None:
        """A hundred epochs take fifty places; those to come are dots."""
        curves = Curves("a", 100)
        for epoch in range(50):
            curves.add(1.0 - epoch / 50, 0.5, 0.5)
        drawn = list(bars(curves).columns[1].cells)

        assert (50, 25) == (len(str(drawn[0])), str(drawn[0]).count("·"))
        assert "▁" == str(drawn[0])[24]

    def test_picture_shows_all_curves(self) -> None:
        """Three lines in each panel, with the values given."""
        curves = Curves("a", 2)
        curves.add(2.0, 0.25, 0.5)
        lines = picture([curves, curves]).axes[1].lines

        assert [[2.0], [0.25], [0.5]] == [list(line.get_ydata()) for line in lines]

    @pytest.mark.parametrize("panels", [1, 2, 4])
    @pytest.mark.parametrize("epochs", [1, 2, 100])
    def test_nothing_is_cut_off(self, panels: int, epochs: int) -> None:
        """The legend lies within the picture, and epochs are counted in whole numbers."""
        curves = Curves("from scratch, the law's draws", epochs)
        for epoch in range(epochs):
            curves.add(2.0 / (epoch + 1), 0.25, 0.5)
        figure = picture([curves] * panels)
        FigureCanvasAgg(figure).draw()
        (legend,) = figure.legends
        corners = figure.transFigure.inverted().transform(legend.get_window_extent())

        assert 0 <= corners.min() and corners.max() <= 1  # noqa: PT018 - one fact
        assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())


class TestNotebook:
    """`chapter_torch.ipynb`."""

    @pytest.fixture(name="shown")
    def _shown(self, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
        """Every picture that a notebook would have shown, in order."""
        pictures: list[bytes] = []

        def display(image: bytes, display_id: bool = False) -> SimpleNamespace:
            pictures.append(image)
            return SimpleNamespace(update=pictures.append)

        stand_in = ModuleType("IPython.display")
        vars(stand_in).update(Image=lambda data: data, display=display)
        package = ModuleType("IPython")
        vars(package).update(display=stand_in)
        monkeypatch.setitem(sys.modules, "IPython", package)
        monkeypatch.setitem(sys.modules, "IPython.display", stand_in)
        return pictures

    def test_live_picture_is_replaced_at_each_epoch(self, shown: list[bytes]) -> None:
        """One picture at the start and one for each epoch, all different."""
        curves = Curves("a", 2)
        with in_notebook() as watch:
            for value in (0.5, 0.25):
                curves.add(value, value, value)
                watch(curves)

        assert (3, 3) == (len(shown), len(set(shown)))

    def test_every_cell_runs(self, shown: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        """The cells run in order, on the digits and one epoch, and end with a picture."""
        monkeypatch.setattr(chapter, "default_name", lambda: "digits")
        monkeypatch.setattr(chapter, "textbook_epochs", lambda data: 1)
        names: dict[str, object] = {}
        for source in _code(Path(chapter.__file__).with_suffix(".ipynb")):
            exec(source, names)  # noqa: S102 - the project's own notebook

        assert len(shown) > 4
        assert all(picture[:4] == b"\x89PNG" for picture in shown)

    def test_it_is_kept_without_outputs(self) -> None:
        """What is committed is the lesson, not one machine's results."""
        cells = json.loads(Path(chapter.__file__).with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]

        assert [] == [cell["outputs"] for cell in cells if cell["cell_type"] == "code" and cell["outputs"]]


def _code(notebook: Path) -> Sequence[str]:
    """The source of each code cell."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
