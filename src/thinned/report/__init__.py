"""Reports: from records to pages that need no network, to tables and to pictures; pure functions of the records."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thinned.report.facts import Facts as Facts
    from thinned.report.facts import gather as gather
    from thinned.report.page import render as render
    from thinned.report.page import write as write
    from thinned.report.page import write_report as write_report

__all__ = ["Facts", "gather", "render", "write", "write_report"]

_ROOMS = {"Facts": "facts", "gather": "facts", "render": "page", "write": "page", "write_report": "page"}


def __getattr__(name: str) -> Any:
    """Open what is named: a list of runs needs no picture."""
    if name in _ROOMS:
        return getattr(importlib.import_module(f"thinned.report.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'thinned.report' has no attribute {name!r}")
