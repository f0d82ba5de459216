"""One file, offline, the same bytes again."""

import base64
import hashlib
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.lab.recorded import DATA, VERSIONS, pairs, record
from tests.report.answers import ANSWER, EVIL
from thinned.errors import RecordError
from thinned.lab.records import Contents
from thinned.report import gather, render, write
from thinned.report.words import clauses

RUNS = pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))
VOID = {"meta", "link", "br", "img", "input", "hr"}


def page(*records):
    """The page of a store that holds these."""
    return render(gather(Contents(records, ())))


def own(html):
    """The page without Plotly, which is a text of more than a megabyte that is not ours."""
    scripts = re.findall(r"<script>.*?</script>", html, re.DOTALL)
    return html.replace(max(scripts, key=len), "")


class Elements(HTMLParser):
    """Tags with their attributes, and what is never closed."""

    def __init__(self, html):
        super().__init__()
        self.found, self.open = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Note it."""
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close the last one."""
        assert tag == self.open.pop()


class TestRender:
    """The page."""

    def test_it_is_the_same_again_byte_for_byte(self):
        """From the same records, in whatever order they were written."""
        assert page(*RUNS) == page(*RUNS[::-1])

    def test_it_is_well_formed(self):
        """Every element is closed, in order, and no id is used twice."""
        elements = Elements(own(page(*RUNS)))
        ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]

        assert [] == elements.open
        assert sorted(set(ids)) == sorted(ids)

    def test_it_asks_the_network_for_nothing(self):
        """No address is loaded, and the page forbids itself to load any."""
        elements = Elements(own(page(*RUNS))).found
        loaded = [
            value
            for _, attributes in elements
            for name, value in attributes.items()
            if name in {"src", "href"}
        ]

        assert ["data:,", "#main"] == loaded
        assert "default-src 'none'" in page(*RUNS)

    def test_it_is_under_two_megabytes(self):
        """With Plotly in it: a phone loads it too."""
        assert 1_400_000 < len(page(*RUNS).encode()) < 2_000_000

    def test_no_script_runs_but_its_own(self):
        """The page names both by their digests, and allows no other."""
        html = page(*RUNS)
        policy = next(each["content"] for _, each in Elements(own(html)).found if "http-equiv" in each)
        allowed = re.search(r"script-src ([^;]*);", policy)[1].split()
        scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)

        assert allowed == [
            f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'"
            for each in scripts
        ]

    def test_every_text_is_escaped(self):
        """Whoever writes a record cannot write the page."""
        runs = pairs(
            (0.5, 0.6),
            (0.5, 0.6),
            data=DATA | {"name": EVIL, "source": EVIL, "asked": EVIL},
            machine={"platform": EVIL, "processor": EVIL},
            versions=VERSIONS | {"python": EVIL},
            started=EVIL,
        )
        plain, evil = Elements(own(page(*RUNS[:4]))), Elements(own(page(*runs)))

        assert [tag for tag, _ in plain.found] == [tag for tag, _ in evil.found]
        assert "{{ 7 * 7 }}" in own(page(*runs))

    def test_it_says_the_sentence_and_every_run(self):
        """The answer, and two rows a seed."""
        html, facts = own(page(*RUNS)), gather(Contents(tuple(RUNS), ()))

        assert facts.answer.brief in html
        assert all(f"<li>{each}</li>" in html for each in clauses(facts.answer.sentence))
        assert 6 == len(
            re.findall(r'<tr><th scope="row" data-sort="\d.0">\d</th><td>(?:none|dropout)</td>', html)
        )
        assert facts.command in html

    def test_every_picture_has_words_and_a_table(self):
        """A label that says what it shows, and every value below it."""
        html = own(page(*RUNS))
        plots = [attributes for _, attributes in Elements(html).found if attributes.get("role") == "img"]

        assert len(plots) >= 5
        assert all("Every value is in the table below." in plot["aria-label"] for plot in plots)
        assert len(plots) == html.count("The figures of this picture")

    def test_tables_say_what_they_are(self):
        """A caption, heads with their scope, a region with a name that a keyboard can scroll."""
        html = own(page(*RUNS))
        elements = Elements(html).found
        heads = [attributes for tag, attributes in elements if tag == "th"]

        assert [tag for tag, _ in elements].count("table") == [tag for tag, _ in elements].count("caption")
        assert {"col", "row"} == {head.get("scope") for head in heads}
        assert all(
            each["aria-label"] and "0" == each["tabindex"]
            for _, each in elements
            if each.get("role") == "region"
        )

    def test_landmarks_and_headings(self):
        """One main, one first heading, and no level left out."""
        elements = Elements(own(page(*RUNS))).found
        tags = [tag for tag, _ in elements]
        levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]

        assert [1, 1, 1] == [tags.count(tag) for tag in ("main", "header", "footer")]
        assert 1 == levels.count(1) == levels[0]
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))

    def test_every_place_has_its_picture(self):
        """And every picture its place."""
        html = own(page(*RUNS))
        figures = json.loads(re.search(r'id="figures">(.*?)</script>', html, re.DOTALL)[1])
        plots = [
            attributes["id"] for _, attributes in Elements(html).found if attributes.get("class") == "plot"
        ]

        assert sorted(figures) == sorted(plots)

    def test_any_answer_has_a_page(self):
        """Every kind of picture, with names that are markup, and nothing of them is."""
        facts = replace(gather(Contents(tuple(RUNS), ())), answer=ANSWER)
        elements = Elements(own(render(facts)))

        assert [] == elements.open
        assert {"img", "b"}.isdisjoint(tag for tag, _ in elements.found)
        assert 4 == sum(
            attributes.get("id", "").startswith("picture-")
            for tag, attributes in elements.found
            if tag == "div"
        )

    @pytest.mark.parametrize(
        "runs",
        [RUNS[:1], RUNS[:2], [record("none", 0, status="diverged"), record("dropout", 0)]],
        ids=["one run", "one pair", "diverged"],
    )
    def test_an_unfinished_study_has_a_page(self, runs):
        """Which says that there is no answer yet."""
        assert "There is no answer yet" in page(*runs)


class TestWrite:
    """On the disk."""

    def test_it_leaves_the_page_and_nothing_else(self, tmp_path):
        """No half-written file, readable by others."""
        path = write(gather(Contents(tuple(RUNS), ())), tmp_path / "new" / "report.html")

        assert [path] == list(path.parent.iterdir())
        assert page(*RUNS) == path.read_text(encoding="utf-8")

    def test_a_folder_that_is_a_file_is_told(self, tmp_path):
        """The error names the place and the way out."""
        (tmp_path / "file").touch()

        with pytest.raises(RecordError, match=r"report\.html can be written to.*--out"):
            write(gather(Contents(tuple(RUNS), ())), tmp_path / "file" / "report.html")
