"""What a running study shows."""

import io

from rich.console import Console

from tests.lab.recorded import design, pairs
from thinned.lab.progress import Silent, Terminal, so_far

RECORDS = pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))


def console(width=80):
    """A terminal of this width that remembers what it was shown."""
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)


class TestTable:
    """The table so far."""

    def test_it_fits_eighty_columns(self):
        """Nothing is cut off or wrapped: every interval stands on one line."""
        screen = console()
        screen.print(so_far(design(), RECORDS))
        shown = screen.file.getvalue()

        assert all(part in shown for part in ("+3.00", "+0.52 to +5.48", "-0.0548 to -0.0052", "3 pairs"))
        assert 2 + 2 * 3 == len(shown.splitlines())

    def test_without_pairs_there_are_no_figures(self):
        """A dash, not a bare mean."""
        screen = console()
        screen.print(so_far(design(), pairs((0.5, 0.6))))

        assert "50.00" not in screen.file.getvalue()


class TestTerminal:
    """The bar."""

    def test_it_counts_runs_and_says_what_is_left(self):
        """And what was there already."""
        screen = console()
        with Terminal(screen) as watch:
            watch.begin(design(), RECORDS[:-1], epochs=4, runs=2, reused=6, jobs=2)
            watch.epoch()
            watch.epoch()
            watch.recorded(RECORDS[-1])
            watch.note("[bold] is not markup here")
        shown = screen.file.getvalue()

        assert "6 finished runs are in the records already; 2 are missing." in shown
        assert "1 of 2 runs" in shown
        assert "50 %" in shown
        assert "[bold] is not markup here" in shown


class TestSilent:
    """No terminal."""

    def test_only_trouble_is_told(self, capsys):
        """On standard error."""
        watch = Silent()
        watch.begin(design(), [], epochs=4, runs=2, reused=0, jobs=2)
        watch.epoch()
        watch.recorded(RECORDS[-1])
        watch.note("A worker died.")

        assert ("", "A worker died.\n") == tuple(capsys.readouterr())
