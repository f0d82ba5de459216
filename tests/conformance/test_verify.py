"""`thinned.verify`: what it makes of strangers, and what it says of their mistakes."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import thinned
from tests.conformance import subjects
from thinned.conformance import KINDS, METHODS
from thinned.conformance.checks import CHECKS
from thinned.errors import SubjectError

CHEAP = [name for name in CHECKS if name not in {"compiled_law", "compiled_equals_eager", "many_elements"}]


def wrong(report):
    """Names of the checks that found something wrong."""
    return {outcome.check for outcome in report.of("wrong")}


class TestStrangers:
    """Code that people write."""

    def test_five_plain_lines_pass(self):
        """With limits: half types become float32, strides are lost, bad rates are taken."""
        report = thinned.verify(subjects.five_lines, checks=CHEAP)

        assert set() == wrong(report)
        assert {"bad_rates", "half_precision", "strides"} == {each.check for each in report.of("limit")}
        assert (0, 1) == (report.exit_code(), report.exit_code(strict=True))

    def test_the_published_notebook(self):
        """Is told that its mask comes from a normal."""
        report = thinned.verify(subjects.notebook, checks=CHEAP)

        assert {"keep_rate", "mean", "variance", "rate_zero"} == wrong(report)
        assert "keeps 0.30" in report["keep_rate"].measured
        assert (
            "P(N(0,1) > 0.5) = 0.309: is the mask drawn with randn instead of rand?"
            == report["keep_rate"].likely
        )
        assert 1 == report.exit_code()

    @pytest.mark.parametrize(
        ("subject", "check", "words"),
        [
            (subjects.swapped, "keep_rate", "keep rate and the drop rate swapped"),
            (subjects.one_mask_a_batch, "granularity", "one mask serves the whole batch"),
            (subjects.NeverOff, "identity_in_evaluation", "it still drops"),
        ],
    )
    def test_a_mistake_has_its_words(self, subject, check, words):
        """In the check that finds it."""
        assert words in thinned.verify(subject, checks=[check])[check].likely

    def test_a_function_of_arrays(self):
        """Of NumPy, with a generator; it has no gradients, and that is said."""
        report = thinned.verify(subjects.of_numpy)

        assert set() == wrong(report)
        assert "because NumPy has no gradients" == report["gradient_mask"].measured

    @pytest.mark.parametrize("method", ["Dropout2d", "DropPath", "AlphaDropout", "LockedDropout"])
    def test_another_method_is_not_dropout(self, method):
        """Elementwise dropout does not share its draws, nor keep SELU's moments."""
        assert {"granularity", "scale"} & wrong(thinned.verify(nn.Dropout, method=method, checks=CHEAP))

    def test_a_known_mistake_of_a_compiler(self):
        """PyTorch's partitioner recomputes draws for a memory budget (pytorch#190758)."""
        with torch._functorch.config.patch(activation_memory_budget=0.0):
            report = thinned.verify(nn.Dropout, checks=["compiled_law"], compiler="aot_eager")

        assert "limit" == report["compiled_law"].status
        assert "the backward pass drew another mask" == report["compiled_law"].likely

    def test_leaves_the_generators_as_they_were(self):
        """Whatever it draws in between."""
        torch.manual_seed(3)
        expected = torch.rand(3)
        torch.manual_seed(3)
        thinned.verify(nn.Dropout, checks=["keep_rate", "repeats"])

        assert torch.equal(expected, torch.rand(3))


class TestSubjects:
    """What can be given, and what has to be stated."""

    @pytest.mark.parametrize(
        "subject",
        [
            nn.Dropout,
            nn.Dropout(0.3),
            lambda: nn.Dropout(0.3),
            lambda p: nn.Dropout(p, inplace=False),
            nn.functional.dropout,
        ],
        ids=["class", "layer", "made", "made at a rate", "function"],
    )
    def test_is_guessed(self, subject):
        """From its type, or from what it makes."""
        report = thinned.verify(subject, checks=["keep_rate", "scale", "rate_zero"])

        assert report.ok
        assert report.kind in {"torch-module", "torch-function"}

    def test_a_layer_has_one_rate(self):
        """And the checks of others say so."""
        report = thinned.verify(nn.Dropout(0.3), checks=["rate_zero", "keep_rate"])

        assert (0.3,) == report.rates
        assert "because a layer has one rate, here 0.3" in report["rate_zero"].measured

    def test_calls_that_are_stated(self):
        """For a layer that its arguments switch."""

        class Switched(nn.Module):
            def forward(self, x, on):
                return nn.functional.dropout(x, 0.5) if on else x

        report = thinned.verify(
            Switched(),
            rate=0.5,
            train=lambda layer, x: layer(x, True),
            evaluate=lambda layer, x: layer(x, False),
            checks=CHEAP,
        )

        assert set() == wrong(report)
        assert "passed" == report["identity_in_evaluation"].status

    def test_a_seed_that_is_stated(self):
        """For one with a generator of its own."""
        own = torch.Generator()

        def drop(x, rate):
            return torch.where(torch.rand(x.shape, generator=own) >= rate, x / (1 - rate), 0.0)

        assert "wrong" == thinned.verify(drop, checks=["repeats"])["repeats"].status
        assert "passed" == thinned.verify(drop, seed=own.manual_seed, checks=["repeats"])["repeats"].status

    @pytest.mark.parametrize(
        ("subject", "stated", "message"),
        [
            (3, {}, "State kind= as one of"),
            (lambda x, rate: x, {}, "names none of torch, jax"),
            (lambda x, rate, colour: torch.relu(x), {}, "got colour in"),
            (nn.Dropout, {"kind": "pytorch"}, f"expected kind= as one of {', '.join(KINDS)}"),
            (nn.Dropout, {"method": "Dropdown"}, f"expected method= as one of {', '.join(METHODS)}"),
            (nn.Dropout, {"method": "Zoneout"}, "which is no function of one array"),
            (nn.Dropout, {"checks": ["keeprate"]}, "expected names of checks"),
            (nn.Dropout, {"nan": "maybe"}, "expected nan= as 'zero' or 'propagates'"),
            (nn.Dropout, {"expected_failures": {"keeprate": "?"}}, "expected names of checks"),
            (nn.Linear, {}, "to be made from a rate"),
            (nn.Identity(), {}, "State rate="),
            (lambda x, rate: torch.linalg.inv(x), {}, "it raised"),
            (lambda x, rate: x.sum(dim=0) + torch.zeros(1), {}, "of the shape of its input"),
        ],
    )
    def test_what_cannot_be_is_told(self, subject, stated, message):
        """With what to state."""
        with pytest.raises(SubjectError) as caught:
            thinned.verify(subject, **stated)

        assert message in str(caught.value)

    def test_an_unknown_keyword(self):
        """Is a TypeError."""
        with pytest.raises(TypeError):
            thinned.verify(nn.Dropout, rates=0.5)


class TestReport:
    """What is told."""

    def test_is_a_document(self):
        """With every check and its figures."""
        report = thinned.verify(subjects.notebook, checks=["keep_rate", "scale"])
        document = json.loads(report.json())

        assert ["keep_rate", "scale"] == [each["check"] for each in document["checks"]]
        assert document["ok"] is False
        assert 1e-6 == document["false_alarm"]
        assert "randn" in str(report)

    def test_expected_failures_are_strict(self):
        """One that fails is expected; one that passes is an error."""
        reasons = {"keep_rate": "a normal", "scale": "no reason"}
        report = thinned.verify(subjects.notebook, checks=["keep_rate", "scale"], expected_failures=reasons)

        assert ["expected failure", "unexpectedly passed"] == [each.status for each in report]
        assert 1 == report.exit_code()

    def test_what_a_subject_raises_is_a_finding(self):
        """In the check that met it."""

        def fails_at_zero(x, rate):
            return torch.dropout(x, 1 / (1 / rate), True)

        report = thinned.verify(fails_at_zero, checks=["rate_zero", "keep_rate"])

        assert report["rate_zero"].measured.startswith("raised ZeroDivisionError")
        assert "passed" == report["keep_rate"].status


def test_numpy_says_what_it_drew_with():
    """A function of JAX's or PyTorch's arrays that draws with NumPy does not follow their seeds."""

    def drop(x, rate):
        return x * torch.from_numpy(np.random.rand(*x.shape) >= rate) / (1 - rate)  # noqa: NPY002

    outcome = thinned.verify(drop, kind="torch-function", checks=["generators"])["generators"]

    assert "limit" == outcome.status
    assert "numpy" in outcome.measured
