"""What a notebook shows while a study runs."""

from importlib.util import find_spec

import pytest

from tests.lab.recorded import design, pairs
from thinned.errors import MissingExtraError
from thinned.report.notebook import Notebook, pictures

RUNS = pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))


class Place:
    """Where something was shown, and what is there now."""

    def __init__(self, content):
        self.content = content

    def update(self, content):
        """In place."""
        self.content = content


class Screen:
    """A notebook's cell, and a clock that the test moves."""

    def __init__(self):
        self.places, self.now = [], 0.0
        self.watch = Notebook(self.display, lambda: self.now)

    def display(self, content):
        """Below what is there."""
        self.places.append(Place(content))
        return self.places[-1]

    def texts(self):
        """The lines."""
        return [repr(place.content) for place in self.places if "a picture" != repr(place.content)]

    def begin(self, records=(), **counts):
        """A study of six runs of two epochs."""
        self.watch.begin(
            design(), list(records), **{"epochs": 12, "runs": 6, "reused": 0, "jobs": 2} | counts
        )


class TestNotebook:
    """A line and two pictures."""

    def test_the_line_says_how_long_it_will_take(self):
        """After a quarter of the epochs in ten seconds, thirty are left."""
        screen = Screen()
        screen.begin()
        screen.now = 10.0
        for _ in range(3):
            screen.watch.epoch()
        screen.watch.recorded(RUNS[0])

        assert ["1 of 6 runs, 25% of the epochs, about 30 s left"] == screen.texts()

    def test_pictures_are_replaced_and_not_added(self):
        """The last run is drawn even where the drawing before is young."""
        screen = Screen()
        screen.begin()
        drawn = []
        for run in RUNS:
            screen.watch.recorded(run)
            drawn.append(
                [
                    place.content._repr_png_()
                    for place in screen.places
                    if hasattr(place.content, "_repr_png_")
                ]
            )

        assert 2 == len(drawn[-1])
        assert all(each.startswith(b"\x89PNG") for each in drawn[-1])
        assert drawn[-2] != drawn[-1]

    def test_it_does_not_draw_all_the_time(self):
        """Workers have better things to do."""
        screen = Screen()
        screen.begin(RUNS[:2], reused=2)
        before = screen.places[-1].content
        screen.watch.recorded(RUNS[2])

        assert before is screen.places[-1].content
        screen.now = 5.0
        screen.watch.recorded(RUNS[3])
        assert before is not screen.places[-1].content

    def test_notes_stay(self):
        """Above the rest."""
        screen = Screen()
        screen.begin(reused=4)
        screen.watch.note("A worker died.")

        assert [
            "4 finished runs are in the records already; 6 are missing.",
            "starting 2 workers",
            "A worker died.",
        ] == (screen.texts())

    @pytest.mark.skipif(find_spec("IPython") is not None, reason="IPython is here")
    def test_without_a_notebook_it_says_so(self):
        """With what to do instead."""
        with pytest.raises(MissingExtraError, match=r"expected a notebook.*leave the watch out"):
            Notebook()

    def test_studies_have_their_own(self):
        """With their names."""
        screen = Screen()
        for title in ("one", "two"):
            screen.watch.study(title)
            screen.begin()

        assert ["one: starting 2 workers", "two: starting 2 workers"] == screen.texts()


class TestPictures:
    """What is drawn."""

    def test_before_the_first_run_there_is_none(self):
        """Nothing to see."""
        assert () == pictures(design(), [])

    def test_they_are_of_what_is_held_out(self):
        """Loss and accuracy."""
        assert ["Test loss", "Test accuracy"] == [each.title for each in pictures(design(), RUNS)]
