"""Which records belong to a design."""

from dataclasses import replace

import pytest

from tests.lab.recorded import BASE, VERSIONS, design, pairs, record
from thinned.lab.configuration import Configuration
from thinned.lab.question import Design
from thinned.lab.studies import STUDIES


class TestSelect:
    """By content, not by name."""

    def test_order_does_not_matter(self):
        """Records come by seed and arm, whatever order they were written in."""
        written = pairs((0.5, 0.6), (0.5, 0.6), (0.5, 0.6))

        assert design().select(written) == design().select(written[::-1]) == tuple(written)

    @pytest.mark.parametrize(
        "other",
        [
            {"base": replace(BASE, epochs=3)},
            {"base": replace(BASE, rates=(0.1, 0.1))},
            {"versions": VERSIONS | {"torch": "2.8.0"}},
        ],
        ids=["epochs", "rates", "torch"],
    )
    def test_another_design_is_not_mixed_in(self, other):
        """Other epochs, other rates, another torch: none of it counts."""
        assert () == design().select([record("dropout", 0, **other)])

    def test_a_python_of_another_version_is_the_same_design(self):
        """What an outcome does not depend on does not part records."""
        other = record("dropout", 0, versions=VERSIONS | {"python": "3.13.0"})

        assert 1 == len(design().select([other]))

    def test_runs_without_dropout_serve_every_rate(self):
        """The same network trained the same way is the same run, whoever asked for it."""
        asked_by_other = record("none", 0, base=replace(BASE, rates=(0.1, 0.1)))
        (found,) = design().select([asked_by_other])

        assert ("none", BASE.as_json()) == (found.arm, found.design)

    def test_a_record_knows_its_design(self):
        """So a report needs nothing but records."""
        found = Design.of(record("dropout", 4), STUDIES)

        none = BASE.without_dropout()

        assert (BASE, design().key(none, 9)) == (found.base, found.key(none, 9))


class TestArms:
    """The study's two."""

    def test_they_differ_in_rates_alone(self):
        """Everything else is shared, so that a pair is one."""
        arms = design().arms()

        assert ["none", "dropout"] == list(arms)
        assert Configuration((32, 16), (0, 0), epochs=2) == arms["none"]
        assert BASE == arms["dropout"]
