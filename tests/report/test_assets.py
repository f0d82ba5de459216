"""What others wrote is what they released."""

import hashlib
from importlib.resources import files

ASSETS = files("thinned.report") / "assets"


class TestPlotly:
    """The bundle that every report holds."""

    def test_it_is_the_released_file(self):
        """`package/plotly-cartesian.min.js` of plotly.js-cartesian-dist-min 4.1.1."""
        digest = hashlib.sha256((ASSETS / "plotly-cartesian.min.js").read_bytes()).hexdigest()

        assert "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a" == digest

    def test_its_licence_is_beside_it(self):
        """As the licence asks."""
        assert "Permission is hereby granted" in (ASSETS / "plotly-LICENSE.txt").read_text(encoding="utf-8")
