"""Answers made by hand: every kind of picture, with names that are markup."""

import math

from thinned.lab.answer import Answer, Cell, Chart, HeatMap, Series, Table
from thinned.lab.statistics import mean_interval

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\" {{ 7 * 7 }} %{x} <b>bold</b>"
"""What a user could call an arm, if he wanted to run something in the page."""

SPREAD = (-0.3, -0.1, 0.0, 0.1, 0.3)
RATES = (0, 0.2, 0.5)


def series(name, places, means):
    """Five runs around each mean."""
    runs = tuple(tuple(mean + each for each in SPREAD) for mean in means)
    return Series(name, tuple(places), tuple(mean_interval(each) for each in runs), runs)


ROWS = Chart(
    "intervals", "Change by method", "method", "percentage points",
    (series("", ("Dropout", EVIL, "--ink"), (0.4, -0.2, 0.1)),), note="Five seeds.", reference=0.0,
)  # fmt: skip
LINES = Chart(
    "lines", "Accuracy by epoch", "epochs", "test accuracy, %",
    (series("none", (1, 10, 100), (90, 95, 97)), series(EVIL, (1, 10, 100), (88, 95, 97.5))), log_x=True,
)  # fmt: skip
POINTS = Chart(
    "points", "Change by decay", "decay", "points", (series("a", (0, 0.01, 0.1), (0, 1, 2)),), log_x=True
)
HEAT = HeatMap(
    "Map of rates", "second", "first", RATES, RATES,
    tuple(tuple(math.nan if (a, b) == (0, 0) else a - b for b in RATES) for a in RATES),
    tuple(tuple(f"{a - b:+.2f} (-1 to 1)" for b in RATES) for a in RATES), middle=0.0,
)  # fmt: skip
TABLE = Table(
    "What each arm reached", ("arm", "runs", "accuracy, %"),
    (
        (EVIL, 5, Cell("9.50 (9 to 10)", 9.5)),
        ("dropout", 40, Cell("10.20 (9 to 11)", 10.2)),
        ("none", 5, Cell("", math.inf)),
    ),
    note="Means.",
)  # fmt: skip

ANSWER = Answer(
    "helped", f"It helped: {EVIL}.", "Five seeds, 0.3 points.", (ROWS, LINES, POINTS, HEAT), (TABLE,)
)
