"""Pictures as PNG."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from tests.report.answers import ANSWER, LINES, ROWS
from thinned.lab.answer import Chart
from thinned.report.interactive import COLOURS as NUMBER
from thinned.report.still import COLOURS, fingerprint, png
from thinned.report.words import summary


class TestPng:
    """A picture in a file."""

    @pytest.mark.parametrize("picture", ANSWER.charts, ids=lambda picture: picture.title)
    def test_every_kind_is_drawn(self, picture):
        """More than one colour, wide enough for a page, with its words inside."""
        image = Image.open(io.BytesIO(png(picture)))

        assert image.width > 800
        assert len(image.convert("RGB").getcolors(10**6)) > 50
        assert (summary(picture), fingerprint(picture)) == (image.text["Description"], image.text["Source"])

    def test_the_same_picture_has_the_same_bytes(self):
        """No time and no version enters."""
        assert png(ROWS) == png(ROWS)

    def test_the_fingerprint_is_that_of_the_values(self):
        """Another value is another picture."""
        assert fingerprint(LINES) != fingerprint(replace(LINES, reference=1.0))

    def test_an_empty_picture_is_drawn(self):
        """A study that has just begun."""
        assert png(Chart("lines", "t", "x", "y", ()))

    def test_colours_are_those_of_the_page(self):
        """As many, so that a series has the same in both."""
        assert NUMBER == len(COLOURS)
