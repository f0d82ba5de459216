"""Reports: from records to one page that needs no network; a pure function of the records."""

from thinned.report.facts import Facts as Facts
from thinned.report.facts import gather as gather
from thinned.report.page import render as render
from thinned.report.page import write as write

__all__ = ["Facts", "gather", "render", "write"]
