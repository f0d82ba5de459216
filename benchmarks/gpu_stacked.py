"""Stacked training on a GPU: agreement with the processor, where the time goes, and cohorts of several sizes."""

import time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from gpu_parts import CUDA, QUICK, part, results


def stacked() -> None:
    from thinned.lab.configuration import Configuration
    from thinned.lab.stacked import train_stacked
    from thinned.lab.training import train

    data = _data()
    base = Configuration(epochs=1)
    with part("one stacked trial agrees with the trial alone on the processor"):
        asked = [(Configuration(epochs=1, rates=rates, lr=0.1), 3) for rates in ((0.2, 0.5), (0.0, 0.0))]
        found = train_stacked(asked, data, CUDA)
        for (configuration, seed), outcome in zip(asked, found, strict=True):
            print(f"       stacked {outcome.final}\n       alone   {train(configuration, seed, data).final}")
    for changes in METHODS:
        with part(
            f"stacked trials by the kernels agree with those by plain operations: {changes or 'the chapter'}"
        ):
            _agree(data, changes)
    with part("where the time of a step goes, 200 networks"):
        _profile(data)
    for count, seeds in ((1, 1), (20, 4), (200, 20)) if QUICK else ((1, 1), (20, 4), (200, 20), (1000, 50)):
        with part(f"stacked training of {count} networks with {seeds} seeds, an epoch"):
            trials = [
                (base.changed({"rates": (0.2 + 0.5 * n / count, 0.5)}), n % seeds) for n in range(count)
            ]
            torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            train_stacked(trials, data, CUDA)
            took = time.perf_counter() - start
            start = time.perf_counter()
            train_stacked([(each.changed({"epochs": 3}), seed) for each, seed in trials], data, CUDA)
            epoch = (time.perf_counter() - start - took) / 2
            peak = torch.cuda.max_memory_allocated() / 2**30
            results.setdefault("stacked", {})[str(count)] = {
                "first_s": took,
                "epoch_s": epoch,
                "peak_gib": peak,
            }
            print(
                f"       {took:.2f} s for one epoch with start and end; {epoch:.2f} s an epoch; {peak:.1f} GiB"
            )


METHODS: tuple[dict[str, Any], ...] = (
    {},
    {"method": "AlphaDropout"},
    {"method": "FeatureAlphaDropout"},
    {"method": "GaussianDropout"},
    {"method": "UniformDropout"},
    {"method": "GaussianNoise"},
    {"method": "BatchDropout"},
    {"method": "StochasticReLU"},
    {"method": "r_drop"},
    {"method": "max_norm", "rates": (1.0, 2.0)},
    {"method": "DropConnectLinear", "method_args": {"per": "batch"}},
    {"normalisation": "batch-before"},
    {"normalisation": "layer-before", "activation": "tanh"},
    {"input_rate": 0.2, "input_noise": 0.1, "placement": "before"},
    {"optimiser": "adam", "lr": 0.001, "validation": 0.1, "weight_decay": 1e-4},
)


def _agree(data: Any, changes: dict[str, Any]) -> None:
    from thinned.lab.configuration import Configuration
    from thinned.lab.stacked import train_stacked
    from thinned.torch import _gpu

    base = Configuration(epochs=1, lr=0.1, train_examples=5000)
    trials = [(base.changed(changes), seed) for seed in (0, 7)]
    sides = [train_stacked(trials, data, CUDA)]
    # The law in plain operations, whose bits `gpu_check.py` has compared with the processor's.
    with patch.object(_gpu, "serves", return_value=False):
        sides.append(train_stacked(trials, data, CUDA))
    for ours, theirs in zip(*sides, strict=True):
        assert ours.status == theirs.status
        for name, value in theirs.epochs[0].items():
            # Normals may differ by 2^-20, and an example or two may lie between classes.
            assert abs(ours.epochs[0][name] - value) <= (2e-3 if "accuracy" in name else 1e-4), (
                name,
                ours,
                theirs,
            )


def _profile(data: Any) -> None:
    from torch.profiler import ProfilerActivity, profile

    from thinned.lab.configuration import Configuration
    from thinned.lab.stacked import train_stacked

    few = Configuration(epochs=1, train_examples=2560)
    trials = [(few, n % 4) for n in range(200)]
    train_stacked(trials, data, CUDA)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        train_stacked(trials, data, CUDA)
    print(seen.key_averages().table(sort_by="cuda_time_total", row_limit=22, max_name_column_width=60))


def _data() -> Any:
    from thinned.lab.data import load

    try:
        return load("fashion-mnist")
    except Exception as error:
        print(f"       Fashion-MNIST is not here ({error}); random images of its shape")
    from thinned.lab.data import Data

    draws = np.random.default_rng(0)
    x = draws.random((70000, 28, 28), dtype=np.float32)
    y = draws.integers(0, 10, 70000)
    classes = tuple(map(str, range(10)))
    return Data("random", x[:60000], y[:60000], x[60000:], y[60000:], classes, "random numbers")
