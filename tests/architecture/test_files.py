"""Files stay short enough to be read, and are called what they are."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 400
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


def sources(root):
    """Every Python file that is ours."""
    folders = ("src", "tests", "benchmarks", "examples")
    return [file for folder in folders for file in sorted((root / folder).rglob("*.py"))]


def too_long(root):
    """Files with more than `LONGEST` lines."""
    return [
        f"{file.relative_to(root)}: {lines} lines"
        for file in sources(root)
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]


def drawers(root):
    """Files and folders whose name says nothing."""
    return [str(file.relative_to(root)) for file in sources(root) if DRAWERS & {file.stem, file.parent.name}]


class TestFiles:
    """All of them."""

    def test_none_is_over_400_lines(self):
        """What does not fit hides a second subject."""
        assert too_long(ROOT) == []

    def test_none_is_a_drawer(self):
        """A function without a home shows a missing concept."""
        assert drawers(ROOT) == []

    @pytest.mark.parametrize(("lines", "expected"), [(400, []), (401, ["src/a/b.py: 401 lines"])])
    def test_the_length_check_can_fail(self, tmp_path, lines, expected):
        """At one line too many."""
        (tmp_path / "src" / "a").mkdir(parents=True)
        (tmp_path / "src" / "a" / "b.py").write_text("x = 1\n" * lines)

        assert expected == too_long(tmp_path)

    @pytest.mark.parametrize("name", ["utils.py", "common/b.py"])
    def test_the_name_check_can_fail(self, tmp_path, name):
        """On a file and on a folder."""
        file = tmp_path / "src" / name
        file.parent.mkdir(parents=True)
        file.touch()

        assert drawers(tmp_path) == [f"src/{name}"]
