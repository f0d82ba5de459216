"""One regulariser a file; `catalogue` is the list of them."""

from thinned.methods.catalogue import catalogue as catalogue
from thinned.methods.entry import Entry as Entry
from thinned.methods.entry import Paper as Paper
from thinned.methods.entry import Row as Row

__all__ = ["Entry", "Paper", "Row", "catalogue"]
