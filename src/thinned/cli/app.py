"""The program `thinned`: its verbs, and how what goes wrong in them is told."""

import os
import sys
from typing import Annotated

import typer

from thinned import __version__
from thinned.cli.audit import audit
from thinned.cli.frameworks import WithFrameworks
from thinned.cli.mask import mask
from thinned.cli.report import report
from thinned.cli.runs import runs
from thinned.cli.study import study
from thinned.cli.tune import tune
from thinned.cli.verify import verify
from thinned.errors import MissingExtraError, ThinnedError

app = typer.Typer(
    name="thinned",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=WithFrameworks)(study)
for verb in (tune, report, runs, mask, verify, audit):
    app.command()(verb)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"thinned {__version__}")
        raise typer.Exit


@app.callback()
def thinned(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Dropout as a pure function of an address, and a laboratory that says when it helps.

    Exit codes: 0 fine, 1 trouble found, 2 usage, 130 interrupted.
    """


def run() -> int:
    """Run one command line; the exit code."""
    try:
        app()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except MissingExtraError as error:
        return _told(error, 1)
    except ThinnedError as error:
        return _told(error, 2)
    except BrokenPipeError:
        # The reader of our output left (`thinned runs | head`); nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _told(error: ThinnedError, code: int) -> int:
    print(f"thinned: {error}", file=sys.stderr)
    return code
