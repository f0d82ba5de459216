"""The program: help, exit codes, and what it does without its extra."""

import subprocess
import sys

import pytest

from tests.cli.command import thinned
from tests.subprocesses import python


class TestHelp:
    """What a newcomer sees."""

    def test_no_argument_is_help(self):
        """The verbs that exist."""
        shown = thinned("--help").out

        assert all(verb in shown for verb in ("study", "report", "runs", "mask"))

    @pytest.mark.parametrize("verb", ["study", "report", "runs", "mask"])
    def test_every_verb_has_an_example(self, verb):
        """One that starts with the program's name."""
        found = thinned(verb, "--help")

        assert 0 == found.code
        assert f"Example: thinned {verb} " in " ".join(found.out.split())

    def test_it_is_fast_because_it_imports_little(self):
        """No framework and no statistics for a page of text."""
        code = (
            "import sys\nfrom thinned.cli import main\nsys.argv = ['thinned', '--help']\n"
            "try: main()\nexcept SystemExit: pass\n"
            "heavy = {'torch', 'scipy', 'matplotlib', 'polars', 'numba'} & set(sys.modules)\n"
            "print(*heavy, file=sys.stderr)"
        )

        assert "" == python(code)[1].strip()

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such redirection")
    def test_a_closed_output_is_an_output_to_nowhere(self):
        """As `thinned ... >&-` in a script: no traceback, and no other file takes the stream's number."""
        code = (
            "import sys\nfrom thinned.cli import main\nsys.argv = ['thinned', '--version']\n"
            "try: main()\nexcept SystemExit: pass\n"
            "sys.exit(sys.stdout is None or sys.stdout.fileno() != 1)"
        )
        program = [sys.executable, "-W", "error", "-c", code]
        done = subprocess.run(
            ["/bin/sh", "-c", '"$@" >&-', "sh", *program], stderr=subprocess.PIPE, check=False, timeout=180
        )

        assert (0, b"") == (done.returncode, done.stderr)

    def test_version(self):
        """One line."""
        from thinned import __version__

        assert f"thinned {__version__}\n" == thinned("--version").out


class TestExtra:
    """Without `thinned[lab]`."""

    @pytest.mark.parametrize(
        ("package", "arguments"),
        [
            ("typer", ["--help"]),
            ("scipy", ["study", "dropout", "--data", "digits"]),
            ("rich", ["study", "dropout", "--data", "digits"]),
            ("sklearn", ["study", "dropout", "--data", "digits"]),
        ],
    )
    def test_a_missing_package_is_one_line(self, package, arguments):
        """That names the package and the extra; exit code 1."""
        code = (
            "import sys\n"
            "class Absent:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] == {package!r}:\n"
            "            raise ModuleNotFoundError(f'No module named {name}', name=name)\n"
            "sys.meta_path.insert(0, Absent())\n"
            f"sys.argv = ['thinned', *{arguments!r}]\n"
            "from thinned.cli import main\n"
            "try: main()\nexcept SystemExit as leaving: print(leaving.code)"
        )
        out, err = python(code)

        assert "1" == out.splitlines()[-1]
        assert "thinned[lab]" in err.splitlines()[-1]
        assert "Traceback" not in err


class TestUsage:
    """Mistakes, made by hand."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["frobnicate"], "No such command 'frobnicate'"),
            (["study"], "expected the name of a study; got none"),
            (["study", "nothing"], "published-answers; got 'nothing'"),
            (["study", "dropout", "--rates", "1.5"], "expected a rate in [0, 1]"),
            (["study", "dropout", "--rates", "half"], "such as 0.5 or 0.2,0.5; got 'half'"),
            (["study", "dropout", "--rates", "0.1,0.2,0.3"], "each of the 2 hidden layers; got 3"),
            (["study", "dropout", "--data", "digits", "--rates", "0"], "expected a rate above 0"),
            (["study", "dropout", "--width", "wide"], "expected integers separated by commas"),
            (["study", "dropout", "--width", "0"], "width of at least 1; got 0"),
            (["study", "dropout", "--seeds", "1"], "at least 2 different seeds"),
            (["study", "dropout", "--epochs", "0"], "epochs of at least 1; got 0"),
            (["study", "dropout", "--lr", "-1"], "positive, finite learning rate; got -1.0"),
            (["study", "dropout", "--batch", "0"], "batch of at least 1; got 0"),
            (["study", "dropout", "--data", "digits", "--lr", "1e12"], "learning rate of at most 16777216"),
            (
                ["study", "dropout", "--data", "digits", "--batch", "2000"],
                "at most the 1442 training examples",
            ),
            (["study", "dropout", "--data", "digits", "--width", f"{10**12}"], "memory can hold; got hidden"),
            (["study", "dropout", "--data", "digits", "--epochs", f"{10**12}"], "4294967296 training steps"),
            (["study", "dropout", "--data", "digits", "--seeds", f"{10**12}"], "expected curves that this"),
            (["study", "dropout", "--data", "nowhere.npz"], "got 'nowhere.npz', neither a name"),
            (["study", "dropout", "--frob"], "No such option"),
            (
                ["report", "nowhere"],
                "or folders with it below; got 'nowhere'",
            ),
            (["runs", "nowhere"], "expected a folder of records; got 'nowhere'"),
            (["mask", "2,x", "0.5"], "expected integers separated by commas"),
            (["mask", "2,8", "1.5"], "expected a rate in [0, 1]"),
            (["mask", "2,8", "0.5", "--step", "-1"], "expected step in [0, 2^32); got -1"),
            (["mask", "100000,100000", "0.5"], "a product of at most 1000000"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_a_mistake_says_what_was_expected_and_what_came(self, tmp_path, arguments, message):
        """On standard error; exit code 2, nothing on standard output, no traceback."""
        found = thinned(*arguments, cwd=tmp_path)

        assert (2, "") == (found.code, found.out)
        assert message in " ".join(found.err.replace("│", " ").split())
        assert "Traceback" not in found.err
