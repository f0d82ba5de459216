"""The page of a study of frameworks."""

import json
import re
from pathlib import Path

import pytest

from tests.lab.frameworks.test_verdict import runs
from tests.report.test_page import Elements, own
from thinned.lab.frameworks.catalogue import FRAMEWORKS, Absent
from thinned.lab.frameworks.study import Failure, Result
from thinned.lab.frameworks.verdict import answer, lines
from thinned.report.frameworks import render, write
from thinned.report.frameworks_figures import figures

DATA = {"name": "<b>mine</b>", "digest": "0" * 16, "source": "Somewhere & else.", "train_examples": 300}


def result(*changes, first=(), failures=()):
    """A study of NumPy and others, on data with a name that is markup."""
    found = [_complete(runs(k, **change), k) for k, change in enumerate((dict(first), *changes))]
    judged = lines(found)
    absent = (Absent(FRAMEWORKS[-1], "it is <i>not</i> here."),)
    return Result(judged, absent, failures, answer(judged, DATA["name"]), DATA["name"], 1, 0, Path("x"))


def _complete(found, k):
    for run in (found.exact, found.plain, found.built_in, *found.restarts):
        run.data.update(DATA)
        run.versions.update(thinned="1", numpy="2")
        run.machine.update(platform="here", processor="this")
    return type(found)(
        type(found.found)(FRAMEWORKS[k], "", dict.fromkeys(FRAMEWORKS[k].packages, "3")),
        found.exact, found.plain, found.restarts, found.built_in,
    )  # fmt: skip


PAGE = render(result({}))


class TestRender:
    """The page."""

    def test_it_is_well_formed_and_each_figure_has_its_place(self):
        """Every element that is opened is closed."""
        elements = Elements(own(PAGE))
        figures = json.loads(re.search(r'id="figures">(.*?)</script>', PAGE, re.DOTALL)[1])
        places = {attributes.get("id") for _, attributes in elements.found}

        assert [] == elements.open
        assert {"law", "built-in", "band", "test-loss"} < set(figures)
        assert set(figures) <= places

    def test_the_same_result_gives_the_same_bytes(self):
        """No time and no random identifier enters."""
        assert PAGE == render(result({}))

    def test_it_asks_the_network_for_nothing(self):
        """And what came from outside is text."""
        assert not re.findall(r'(?:src|href)="(?!data:|#)', own(PAGE))
        assert "<b>mine" not in PAGE
        assert "it is &lt;i&gt;not&lt;/i&gt; here" in PAGE

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({}, "of SHA-256"),
            ({"mismatches": 7}, ">7</td>"),
            ({"chain": "b"}, "another chain"),
            ({"losses": (3.0,)}, ">inf</td>"),
        ],
        ids=["all is well", "mismatches", "a chain", "ended early"],
    )
    def test_what_is_wrong_is_said(self, change, expected):
        """And where all is well, it is not."""
        assert expected in own(render(result(change)))
        assert not change or expected not in own(PAGE)

    def test_one_number_of_steps(self):
        """That which was compared: three here, though the bounds are for more."""
        page = own(PAGE)

        assert "float64, 3 steps" in page
        assert "float32, 3 steps" in page
        assert "1e-05 over 3 in float32" in page
        assert not re.search(r"over (200|20)\b", page)

    def test_axes_have_powers_of_ten(self):
        """And not Plotly's 20p for 2e-11."""
        for figure in figures(result({}).lines).values():
            for axis in ("xaxis", "yaxis"):
                assert "power" == figure["layout"][axis]["exponentformat"]

    def test_few_restarts_are_said(self):
        """Beside the intervals."""
        few = own(render(result({"ends": (0.4, 0.5)}, first={"ends": (0.4, 0.5)})))

        assert "2 restarts are too few for that: ask for 10 or more" in few
        assert "too few" not in own(PAGE)

    def test_failures_are_told(self):
        """With their reason."""
        failed = Failure("JAX", runs(2).exact.asked, "its process ended with exit code 1")

        assert "JAX, float64, restart 0: its process ended" in render(result({}, failures=(failed,)))


class TestWrite:
    """The file."""

    def test_it_holds_the_page(self, tmp_path):
        """All of it."""
        assert PAGE == write(result({}), tmp_path / "report.html").read_text(encoding="utf-8")
