"""What Plotly is given."""

import json
import re
from dataclasses import replace
from importlib.resources import files

import pytest

from tests.report.answers import ANSWER, HEAT, LINES, POINTS, ROWS, series
from thinned.report.interactive import COLOURS, RUNS_SHOWN, dash, figure, height, symbol

STYLE = (files("thinned.report") / "assets" / "page.css").read_text(encoding="utf-8")


def texts(value):
    """Every string in a figure."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts(part)]


def colours(value, here=False):
    """Every string where a colour can stand, as `page.js` has it."""
    if isinstance(value, str):
        return [value] if here else []
    if isinstance(value, dict):
        return [
            name
            for key, part in value.items()
            for name in colours(part, re.search("color$|colorscale$", key))
        ]
    return [name for part in value for name in colours(part, here)] if isinstance(value, list) else []


class TestFigure:
    """Each kind."""

    @pytest.mark.parametrize("picture", ANSWER.charts, ids=lambda picture: picture.title)
    def test_it_is_json_without_tags_of_its_user(self, picture):
        """A NaN is null, and a name in angle brackets is text to Plotly too; only our line breaks are tags."""
        drawn = json.loads(json.dumps(figure(picture), allow_nan=False))

        assert not [text for text in texts(drawn) if re.search(r"<(?!br>)", text)]

    def test_rows_have_dots_intervals_and_runs(self):
        """Estimate and ends are those of the answer."""
        runs, dots = figure(ROWS)["data"]
        value = ROWS.series[0].values[0]

        assert (pytest.approx(0.4), value.high - value.estimate) == (
            dots["x"][0],
            dots["error_x"]["array"][0],
        )
        assert 15 == len(runs["x"]) == len(runs["hovertext"])
        assert "Dropout: 0.40 (0.12 to 0.68)<br>5 runs: 0.1, 0.3, 0.4, 0.5, 0.7" == dots["hovertext"][0]

    def test_lines_lie_in_bands(self):
        """A band and a line a series, and the logarithm where it was asked for."""
        drawn = figure(LINES)

        assert ["toself", None, "toself", None] == [trace.get("fill") for trace in drawn["data"]]
        assert "log" == drawn["layout"]["xaxis"]["type"]

    def test_many_runs_are_told_by_their_ends(self):
        """A list of a hundred numbers tells nobody anything."""
        count = RUNS_SHOWN + 1
        many = replace(POINTS.series[0], x=(1.0,), values=POINTS.series[0].values[:1], runs=((0.5,) * count,))
        told = figure(replace(POINTS, series=(many,)))["data"][1]["hovertext"][0]

        assert told.endswith(f"<br>{count} runs from 0.5 to 0.5")

    def test_a_map_has_no_value_where_there_is_none(self):
        """Its first row is at the top, and colours part in the middle."""
        drawn = figure(HEAT)
        trace = drawn["data"][0]

        assert (None, -0.5, 0.5) == (trace["z"][0][0], trace["zmin"], trace["zmax"])
        assert "reversed" == drawn["layout"]["yaxis"]["autorange"]

    def test_series_beside_each_other_do_not_cover_each_other(self):
        """Each has its own height in the row."""
        rows = tuple("pqrst")
        two = replace(ROWS, series=(series("a", rows, (1,) * 5), series("b", rows, (1,) * 5)))
        dots = [trace for trace in figure(two)["data"] if "error_x" in trace]

        assert dots[0]["y"][0] < 0 < dots[1]["y"][0]
        assert height(two) > height(replace(two, series=two.series[:1]))

    def test_every_colour_is_in_the_style(self):
        """For light and for dark."""
        names = {name for each in ANSWER.charts for name in colours(figure(each)) if name.startswith("--")}
        names |= {f"--s{k}{end}" for k in range(COLOURS) for end in ("", "-band")}

        assert all(2 == len(re.findall(rf"{name}:", STYLE)) for name in names)

    def test_series_differ_in_more_than_colour(self):
        """For those who see no colours, and on a printer that has none."""
        looks = [(dash(k), symbol(k)) for k in range(40)]

        assert 40 == len(set(looks))


class TestContrast:
    """Colours that can be read: WCAG 2.2, AA."""

    @pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
    def test_texts_have_4_5_and_lines_3(self, scheme):
        """Against the page and against its boxes."""
        colours = {
            name: found[scheme]
            for name in re.findall(r"--[\w-]+", STYLE)
            if len(found := re.findall(rf"{name}: #(\w{{6}})", STYLE)) == 2
        }

        for ground in ("--paper", "--card"):
            for name in ("--ink", "--ink-soft", "--accent"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
        for k in range(COLOURS):
            assert contrast(colours[f"--s{k}"], colours["--paper"]) >= 3, k


def contrast(one, other):
    """Of two colours, as WCAG 2.2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    """Of `rrggbb`."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
