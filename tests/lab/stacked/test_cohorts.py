"""Which trials go together."""

from dataclasses import replace

import pytest

from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration
from thinned.lab.pool import Cohort
from thinned.lab.stacked import groups, stackable
from thinned.lab.stacked.choice import arrange, check_choice

pytestmark = pytest.mark.long

SMALL = Configuration((16,), (0.5,), batch=16)
LARGE = Configuration()
ODD = replace(SMALL, tikhonov=0.1)
ABOUT = {"examples": 1000, "features": 64, "classes": 10, "jobs": 2}


class TestStackable:
    """A list of settings that are known, and not of those that are not."""

    @pytest.mark.parametrize(
        "changes",
        [{"model": "transformer"}, {"tikhonov": 0.1}, {"measures": ("fit",)}, {"method": "ConcreteDropout"},
         {"method": "DropConnectLinear"}, {"method": "DropConnectLinear", "method_args": {"per": "example"}}],
    )  # fmt: skip
    def test_other_settings_are_trained_alone(self, changes):
        """Each at a value away from its default."""
        assert not stackable(SMALL.changed(changes))

    def test_what_is_no_configuration_is_trained_alone(self):
        """A model of the user's own."""
        assert not stackable({"rate": 0.5})


class TestGroups:
    """Trials of one shape, in parts of nearly one size."""

    def test_seven_by_three_are_three_three_and_one_more_evenly(self):
        """3, 3, 1 would leave a worker alone with one."""
        assert [[0, 1, 2], [3, 4, 5], [6]] == groups([SMALL] * 7, lambda *_: 3)
        assert [[0, 1, 2, 3], [4, 5, 6, 7]] == groups([SMALL] * 8, lambda *_: 6)

    def test_rates_and_learning_rates_may_differ(self):
        """But not the number of epochs, and not Adam's learning rate."""
        changed = [SMALL.changed(each) for each in ({"rates": (0.1,)}, {"lr": 0.1}, {"weight_decay": 0.1})]
        adam = [SMALL.changed({"optimiser": "adam", "lr": lr}) for lr in (0.1, 0.2)]

        assert [[0, 1, 2, 3]] == groups([SMALL, *changed], lambda *_: 9)
        assert [[0], [1]] == groups(adam, lambda *_: 9)


class TestArrange:
    """What is stacked where."""

    def test_auto_stacks_small_networks_on_a_processor(self):
        """Large ones, and single ones, are faster alone; each worker gets a share."""
        found = arrange([SMALL, LARGE, SMALL, SMALL, SMALL, ODD], "auto", "cpu", **ABOUT)

        assert [Cohort((0, 2), "cpu"), Cohort((1,)), Cohort((3, 4), "cpu"), Cohort((5,))] == found

    def test_never_and_always(self):
        """None, and all that can be."""
        assert [Cohort((0,)), Cohort((1,))] == arrange([SMALL, SMALL], "never", "cpu", **ABOUT)
        assert [Cohort((0,), "cpu"), Cohort((1,))] == arrange([LARGE, ODD], "always", "cpu", **ABOUT)

    @pytest.mark.parametrize(("epochs", "most"), [(1, 16), (100, 6), (1000, 2)])
    def test_a_cohort_that_would_take_long_is_smaller(self, epochs, most):
        """On a processor; whoever kills it loses half a minute, or twice a run: at 60 steps an epoch."""
        mean = Configuration((128,), (0.5,), batch=128, epochs=epochs)
        about = {"examples": 60 * 128, "features": 64, "classes": 10, "jobs": 1}
        found = arrange([mean] * 16, "auto", "cpu", **about)

        assert most == max(len(each.members) for each in found)

    def test_every_trial_is_in_one_cohort(self):
        """Whatever the order."""
        asked = [SMALL, LARGE, ODD] * 20
        found = arrange(asked, "always", "cpu", **ABOUT)

        assert list(range(60)) == sorted(number for cohort in found for number in cohort.members)

    @pytest.mark.parametrize(
        ("how", "device", "says"),
        [("sometimes", "cpu", "sometimes"), ("auto", "tpu", "tpu"), ("never", "cuda", "never")],
    )
    def test_what_cannot_be_chosen_is_refused(self, how, device, says):
        """With what came."""
        with pytest.raises(ConfigurationError, match=says):
            check_choice(how, device)
