"""How lines that could not be read are told."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thinned.lab.records import Damage

MOST = 10
"""Lines told one by one; a file that is no file of records has thousands."""


def tell(path: Path, damaged: "Sequence[Damage]") -> None:
    """One line for each damaged one, on standard error, and what to do about them all."""
    if not damaged:
        return
    for damage in damaged[:MOST]:
        print(f"{path}, line {damage.line} is skipped: {damage.reason}.", file=sys.stderr)
    if len(damaged) > MOST:
        print(f"{path}: {len(damaged) - MOST} more lines are skipped.", file=sys.stderr)
    print(
        "The other lines count. The same study trains skipped runs again; delete the lines to hear no more of "
        "them.",
        file=sys.stderr,
    )
