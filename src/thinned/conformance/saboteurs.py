"""One saboteur for each check: a dropout for PyTorch with one mistake, which that check must find.

What else a mistake shows in is listed with it; every other check must pass it, so that a report names what is wrong
and nothing more. `mistakes.Right` makes none, and passes them all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from thinned.conformance.mistakes import (
    AsksTheSystem,
    DisturbsNumPy,
    DividesByZero,
    DrawsCoarsely,
    DrawsInHalf,
    DropsAtZero,
    DropsOneByOne,
    DropsTooFew,
    DropsZeroInHalf,
    ForgetsRoot,
    ForgetsScale,
    FrozenWhenCompiled,
    HasAPeriod,
    HidesNaN,
    KeepsItsMask,
    LooksAtValues,
    LosesStrides,
    MirrorsWhenCompiled,
    Narrows,
    NeedsSamples,
    OffForEver,
    OnlyMatrices,
    OverwritesInput,
    OwnGenerator,
    ReadsMemory,
    ScalesAlmost,
    ScalesTwice,
    SeedsEverything,
    SeedsItself,
    TakesAnyRate,
    Widens,
)
from thinned.conformance.mistakes_of_draws import (
    DropsExactly,
    EverySecondCall,
    IsSymmetric,
    MirrorsFeatures,
    Pairs,
    PairsWhenCompiled,
    RepeatsFarAway,
    RepeatsLanes,
    SameInEachLayer,
    TurnsAround,
)
from thinned.conformance.mistakes_of_gradient import (
    DifferentiatesOnce,
    ForgetsScaleBackward,
    ForgetsScaleTwice,
    RedrawsBackward,
    RedrawsWhenCompiled,
    StraightThrough,
)


@dataclass(frozen=True)
class Saboteur:
    """A subject that one check must reject.

    Args:
        make: the layer, from a rate.
        also: checks that see the mistake too.
        method: of the catalogue, that it claims to be.
    """

    make: Callable[[float], nn.Module]
    also: frozenset[str] = field(default_factory=frozenset)
    method: str = "Dropout"


def _saboteur(make: Callable[[float], nn.Module], *also: str, method: str = "Dropout") -> Saboteur:
    return Saboteur(make, frozenset(also), method)


_COMPILED = ("compiled_law", "compiled_equals_eager")
_OWN = ("recomputation", "vmap", *_COMPILED)

SABOTEURS: dict[str, Saboteur] = {
    "keep_rate": _saboteur(DropsTooFew, "mean", "variance", "half_precision"),
    "mean": _saboteur(ForgetsScale, "variance", "scale", "half_precision"),
    "variance": _saboteur(ForgetsRoot, method="GaussianDropout"),
    "scale": _saboteur(ScalesAlmost, "variance", "half_precision"),
    "granularity": _saboteur(DropsOneByOne, method="Dropout2d"),
    "rate_zero": _saboteur(DropsAtZero, "half_rate_zero"),
    "rate_one": _saboteur(DividesByZero),
    "bad_rates": _saboteur(TakesAnyRate),
    "zero_size": _saboteur(NeedsSamples),
    "many_elements": _saboteur(HasAPeriod),
    "identity_in_evaluation": _saboteur(ScalesTwice),
    "training_after_evaluation": _saboteur(OffForEver),
    "draws_again": _saboteur(
        KeepsItsMask,
        # Sixteen calls that are one: what counts on their draws has a sixteenth of them.
        *("keep_rate", "mean", "rows_independent", "channels_independent", "elements_independent"),
        *("calls_independent", "layers_independent", "compiled_law", "vmap"),
    ),
    "repeats": _saboteur(AsksTheSystem, "strides", *_OWN),
    "generators": _saboteur(DisturbsNumPy),
    "elements_independent": _saboteur(Pairs, "channels_independent"),
    "rows_independent": _saboteur(RepeatsLanes, "elements_independent"),
    "channels_independent": _saboteur(MirrorsFeatures, "elements_independent"),
    "calls_independent": _saboteur(
        EverySecondCall, "layers_independent", "recomputation", "compiled_law", "vmap"
    ),
    "layers_independent": _saboteur(SameInEachLayer, "strides", *_OWN),
    "gradient_mask": _saboteur(StraightThrough, "recomputation", "double_backward", "rate_one"),
    "recomputation": _saboteur(OwnGenerator, "strides", *_OWN),
    "double_backward": _saboteur(DifferentiatesOnce, "vmap"),
    "shape_and_dtype": _saboteur(Widens),
    "input_untouched": _saboteur(OverwritesInput, "vmap"),
    "views": _saboteur(ReadsMemory),
    "strides": _saboteur(LosesStrides),
    "not_a_number": _saboteur(HidesNaN),
    "any_shape": _saboteur(OnlyMatrices),
    "half_precision": _saboteur(DrawsInHalf),
    "half_rate_zero": _saboteur(DropsZeroInHalf, "half_precision"),
    "double_precision": _saboteur(Narrows),
    "compiled_law": _saboteur(FrozenWhenCompiled, "compiled_equals_eager"),
    "compiled_equals_eager": _saboteur(MirrorsWhenCompiled),
    "vmap": _saboteur(LooksAtValues),
}
"""By the name of the check that must reject it."""

CONDITIONS: dict[str, tuple[str, Saboteur, str]] = {
    "a rate of a thousandth": ("keep_rate", _saboteur(DrawsCoarsely), "is the mask drawn in half precision?"),
    "a thousandth in half types": ("half_precision", _saboteur(DrawsInHalf), "half type of the input"),
    "the generator of all is seeded": (
        "draws_again",
        _saboteur(SeedsEverything),
        "starts again at every call",
    ),
    "draws far away": (
        "elements_independent",
        _saboteur(RepeatsFarAway, "strides", "rows_independent"),
        "draws are repeated inside the array",
    ),
    "draws in reverse": (
        "elements_independent",
        _saboteur(TurnsAround, "strides"),
        "draws are repeated inside the array",
    ),
    "draws transposed": ("elements_independent", _saboteur(IsSymmetric), "the mask is its own transpose"),
    "the number that is dropped": (
        "elements_independent",
        _saboteur(DropsExactly, "half_precision", "strides", "vmap"),
        "drawn without replacement",
    ),
    "two seeds, one mask": (
        "repeats",
        _saboteur(SeedsItself, "layers_independent", "strides", *_OWN),
        "is it constant inside?",
    ),
    "backward draws": (
        "gradient_mask",
        _saboteur(RedrawsBackward, "recomputation", "double_backward", "vmap", "rate_one"),
        "the backward pass drew another mask",
    ),
    "backward does not scale": (
        "gradient_mask",
        _saboteur(ForgetsScaleBackward, "recomputation", "double_backward", "vmap"),
        "is the scale in one pass only?",
    ),
    "the second gradient does not scale": (
        "double_backward",
        _saboteur(ForgetsScaleTwice, "vmap"),
        "have a backward pass that forgets the scale?",
    ),
    "compiled, backward draws": (
        "compiled_law",
        _saboteur(RedrawsWhenCompiled),
        "the backward pass drew another mask",
    ),
    "compiled, elements draw together": (
        "compiled_law",
        _saboteur(PairsWhenCompiled, "compiled_equals_eager"),
        "draws are repeated inside the array",
    ),
}
"""Of checks that look at several things: by what is looked at, the check, whom nothing else finds, and words."""
