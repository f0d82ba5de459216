"""Studies that look inside networks: on records with a known effect, with its opposite, and with none."""

from dataclasses import replace

import pytest

from tests.lab.studies import inside, made
from tests.lab.studies.made import noise
from thinned.lab.answer import Answer
from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.measures import averages as averages_measure
from thinned.lab.studies import (
    activation_variance,
    co_adaptation,
    input_noise,
    published_answers,
    random_labels,
    test_time,
)
from thinned.lab.training import train

pytestmark = pytest.mark.long

STUDIES = (activation_variance, test_time, random_labels, input_noise, co_adaptation, published_answers)

each_study = pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.QUESTION.name)


def variances(off):
    """A formula that is `off` as a share, in both layers."""

    def measured(arm, seed):
        found = {}
        for k in (0, 1):
            train = 2.0 + noise(arm, seed, k)
            found |= {
                f"variance_train[{k}]": train,
                f"variance_formula[{k}]": train * (1 + off + noise(arm, seed, k, "f", size=0.002)),
                f"variance_published[{k}]": train / 4,
                f"variance_linear[{k}]": 1.0,
                f"variance_squares[{k}]": 0.1,
                f"variance_test[{k}]": 1.0,
            }
        return found

    return measured


def averages(cost, gain):
    """One thinned network costs accuracy, in points; averages gain some; losses go the other way."""

    def measured(arm, seed):
        found = {
            "test_accuracy": 0.9 + noise(seed, size=0.01),
            "test_loss": 0.5 + noise(seed, "l", size=0.01),
        }

        def way(name, points):
            share = points / 100 + noise(arm, seed, name, size=0.001)
            return {
                name.format("accuracy"): found["test_accuracy"] + share,
                name.format("loss"): found["test_loss"] - share,
            }

        if arm != "none":
            found |= {"prediction_variance": 0.001, "changed": 0.02, **way("single_{}", -cost)}
            for i in range(len(test_time.SAMPLES)):
                found |= way(f"arithmetic_{{}}[{i}]", gain) | way(f"geometric_{{}}[{i}]", gain)
        if arm in test_time.SMALL:
            found |= {f"sampled_error[{i}]": 0.1 / (i + 1) for i in range(len(test_time.SAMPLES))}
            found |= {"all_scaling": 0.05, "all_geometric_loss": 0.5, "all_arithmetic_loss": 0.6}
        return found

    return measured


def by_heart(effect):
    """What dropout does to the random labels that are known, in points; nothing else does anything."""

    def measured(arm, seed):
        change = effect / 100 if arm == "random, dropout" else 0.0
        level = 0.8 + noise(seed, size=0.01) + noise(arm, seed, size=0.005)
        return {
            "train_accuracy": level + change,
            "fitted": level,
            "test_accuracy": 0.5 + noise(arm, seed, "t", size=0.005),
        }

    return measured


def noises(off, linear=1e-14):
    """A second order that is `off` as a share, and a linear model's difference."""

    def measured(arm, seed):
        found = {"sensitivity": 5.0 + noise(arm, seed), "test_loss": 0.1 + noise(arm, seed, size=0.01)}
        for i in range(len(input_noise.SIZES)):
            ratio = 1 + off + noise(arm, seed, i, size=0.001)
            found |= {f"excess[{i}]": 0.01, f"taylor_ratio[{i}]": ratio, f"tikhonov_ratio[{i}]": ratio}
        return found | {"linear_loss": linear, "linear_weights": linear, "linear_sampled": 1.0}

    return measured


def removals(effect):
    """What dropout adds to the accuracy that is kept without half of the units, in points."""

    def measured(arm, seed):
        found = {}
        for i in range(len(co_adaptation.SHARES)):
            share = 0.9 + noise(seed, size=0.01) + noise(arm, seed, i, size=0.001)
            added = effect / 100 if arm == "dropout" and i == co_adaptation.HALF else 0.0
            found |= {f"removed_accuracy[{i}]": share + added, f"unscaled_accuracy[{i}]": share}
        for k in (0, 1):
            found |= {
                f"{name}[{k}]": 0.3 + noise(arm, seed, name, k, size=0.01)
                for name in ("correlation", "zeros")
            }
            found[f"silent[{k}]"] = 0.0
        return found

    return measured


def mistakes(mask, pixels, figure=None):
    """What a wrong mask and wrong pixels do, in points; or the published figures, within a point."""

    def measured(arm, seed):
        level = 0.8 + noise(arm, seed, size=0.003)
        wrong = mask / 100 if arm in published_answers.FAULTY else 0.0
        tested = level + wrong + pixels / 100 + noise(arm, seed, "p", size=0.003)
        if figure is not None and arm in published_answers.FIGURES:
            tested = published_answers.FIGURES[arm] + figure + noise(arm, seed, size=0.01)
        return {
            "test_accuracy": level + wrong,
            "pixels_accuracy": tested,
            "scaled_accuracy": level,
            "pixels_scaled_accuracy": level,
            "handed_on": 0.5,
            **variances(0.0)(arm, seed),
        }

    return measured


EFFECTS = {
    "activation-variance": (variances(0.0), "confirmed", variances(0.1), "refuted"),
    "test-time": (averages(1.0, 0.2), "off", averages(-1.0, 0.2), "on"),
    "random-labels": (by_heart(-5.0), "hindered", by_heart(5.0), "helped"),
    "input-noise": (noises(0.0), "confirmed", noises(0.1), "refuted"),
    "co-adaptation": (removals(5.0), "less", removals(-5.0), "more"),
    "published-answers": (mistakes(-5.0, -5.0), "mistaken", mistakes(5.0, 5.0), "undecided"),
}

NULLS = {
    "test-time": averages(0.0, 0.0),
    "random-labels": by_heart(0.0),
    "co-adaptation": removals(0.0),
    "published-answers": mistakes(0.0, 0.0),
}


class TestAnswer:
    """What they say."""

    @each_study
    def test_an_effect_is_claimed_and_its_opposite_too(self, study):
        """By one word and by the sentence's opening."""
        effect, word, opposite, other = EFFECTS[study.QUESTION.name]
        found, turned = (inside.answer(study.QUESTION, each) for each in (effect, opposite))

        assert (word, other) == (found.verdict, turned.verdict)
        assert found.sentence.partition(":")[0] != turned.sentence.partition(":")[0]

    @pytest.mark.parametrize("name", NULLS)
    def test_no_effect_is_no_claim(self, name):
        """Of six seeds of noise; the sentence says that it stays open."""
        study = next(each for each in STUDIES if each.QUESTION.name == name)
        found = inside.answer(study.QUESTION, NULLS[name])

        assert "undecided" == found.verdict
        assert "stays open" in found.sentence

    @each_study
    def test_every_answer_has_figures_pictures_and_its_power(self, study):
        """Intervals in the sentence, a picture with something in it, tables, and the number of seeds."""
        found = inside.answer(study.QUESTION, EFFECTS[study.QUESTION.name][0])

        assert isinstance(found, Answer)
        assert "95 % interval" in found.sentence
        assert "6 paired seeds" in found.sentence
        assert found.sentence.endswith(".")
        assert found.power.startswith("6 seeds")
        assert found.charts
        assert all(chart.series and all(each.values for each in chart.series) for chart in found.charts)
        assert found.tables
        assert "nan" not in str(found.as_json()).lower()

    @each_study
    @pytest.mark.parametrize("seeds", [0, 1])
    def test_too_few_seeds_are_no_answer(self, study, seeds):
        """None, and no error either; a study may be killed before its first run."""
        found = inside.answer(study.QUESTION, EFFECTS[study.QUESTION.name][0], seeds=range(seeds))

        assert "unanswered" == found.verdict

    @each_study
    def test_diverged_runs_are_said(self, study):
        """And are in no figure."""
        design = made.design_of(study.QUESTION)
        runs = inside.records(design, EFFECTS[study.QUESTION.name][0])
        lost = replace(runs[0], status="diverged", epochs=[], final={})
        found = study.QUESTION.answer(design, [lost, *runs[1:]])

        assert f"1 of 6 runs of {lost.arm} diverged" in found.sentence


class TestFormulas:
    """Details of single studies."""

    def test_thinned_networks_that_all_say_the_same_have_a_deviation_of_zero(self):
        """Rounding leaves a network that learned nothing a variance just below 0."""
        design = made.design_of(test_time.QUESTION)
        runs = inside.records(design, EFFECTS["test-time"][0])
        dead = [replace(run, final=run.final | {"prediction_variance": -8e-17}) for run in runs]

        assert "deviation of 0.0000 (" in test_time.QUESTION.answer(design, dead).sentence

    def test_a_linear_model_beyond_rounding_refutes(self):
        """Whatever the network's second order is."""
        assert "refuted" == inside.answer(input_noise.QUESTION, noises(0.0, linear=1e-6)).verdict

    @pytest.mark.parametrize(("off", "said"), [(0.0, "4 figures of 4"), (0.2, "0 figures of 4")])
    def test_published_figures_are_reproduced_where_single_runs_reach_them(self, off, said):
        """On the notebook's data alone."""
        found = inside.answer(
            published_answers.QUESTION, mistakes(-5, -5, figure=off), name=published_answers.DATA
        )

        assert said in found.sentence

    def test_other_data_reproduces_nothing(self):
        """Figures of other images are not compared."""
        found = inside.answer(published_answers.QUESTION, mistakes(-5, -5))

        assert "not comparable" in found.sentence
        assert {"other data"} == {row[-1] for row in found.tables[0].rows}

    def test_shares_of_mistakes_add_up(self):
        """To what all of them cost together."""
        found = inside.answer(published_answers.QUESTION, mistakes(-5, -3))
        rows = {row[0]: row[2].sort for row in found.tables[1].rows}
        for name in published_answers.FAULTY:
            *parts, whole = (value for key, value in rows.items() if key.startswith(f"{name}:"))
            assert sum(parts) == pytest.approx(whole)


class TestDesign:
    """Their arms."""

    @each_study
    @pytest.mark.parametrize("scope", ["quick", "full"])
    def test_arms_differ(self, study, scope):
        """No two are the same training, and the plan's settings can be had."""
        plan = study.QUESTION.plan(scope)
        base = Configuration().changed(plan.settings)
        arms = made.design_of(study.QUESTION, scope, base).arms()

        assert len(arms) == len({str(each.as_json()) for each in arms.values()})
        assert plan.seeds >= (10 if scope == "full" else 5)


class TestReal:
    """Real networks."""

    def test_each_answers_from_runs_of_its_own(self, monkeypatch):
        """Two seeds, one epoch, few units, on digits: names that answers read are names that measures write."""
        monkeypatch.setattr(averages_measure, "SAMPLES", tuple(range(1, len(test_time.SAMPLES) + 1)))
        digits = load("digits")
        small = Configuration(hidden=(3, 3), rates=(0.25, 0.5), batch=256, epochs=1)
        done = {}
        for study in STUDIES:
            design = made.design_of(study.QUESTION, base=small)
            runs = []
            for arm, configuration in design.arms().items():
                few = replace(configuration, train_examples=60)
                for seed in (0, 1):
                    key = (str(few.as_json()), seed)
                    done[key] = done.get(key) or train(few, seed, digits).as_json()
                    runs.append(made.record(design, arm, configuration, seed, 50.0, **done[key]))
            found = study.QUESTION.answer(design, runs)

            assert "unanswered" != found.verdict
            assert all(chart.series and all(each.values for each in chart.series) for chart in found.charts)
