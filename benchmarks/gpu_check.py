"""What a machine with a GPU can show: the law's bits there, the kernel's speed, and stacked training.

    python benchmarks/gpu_check.py [bits] [speed] [stacked] [--quick]

Each part stands for itself: what fails in one is printed, and the next is run. A full run writes
`benchmarks/results/<device>-gpu.json`; the exit code is 1 where anything failed. It needs PyTorch for CUDA and
this package; Fashion-MNIST is read where `THINNED_DATA` says, else random images of its shape are trained on.
"""

import itertools
import json
import platform
import statistics
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch
from gpu_parts import CUDA, QUICK, failures, part, results, same
from gpu_stacked import stacked
from torch import Tensor

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
ADDRESSES = (
    {"seed": 0, "site": "fc1"},
    {"seed": 2**64 - 1, "site": 2**32 - 1, "step": 2**32 - 1, "draw": 2**16 - 1},
    {"seed": -3, "site": 2**31, "step": 17, "draw": 2},
)
PLACES: tuple[dict[str, Any], ...] = (
    {"shape": (1,)},
    {"shape": (8,)},
    {"shape": (1023,)},
    {"shape": (64, 257)},
    {"shape": (3, 5, 7, 2)},
    {"shape": (4, 6, 5), "share": (1,)},
    {"shape": (4, 6, 5, 5), "share": (2, 3)},
    {"shape": (4, 6, 5), "share": (0, 2)},
    {"shape": (5, 16), "window": ((2**40, 16), (2**39 + 3, 0))},
    {"shape": (4, 9), "window": ((100, 9), ([3, 50, 2, 99], 0))},
    {"shape": (1 << 20, 3)},
)

# Bits


def bits() -> None:
    with part("the kernel is used"):
        from thinned.torch import _gpu

        print(f"       triton: {_gpu.available()}")
        assert _gpu.serves(torch.ones(1, device=CUDA)), "no Triton: the plain path is used"
    with part("dropout keeps what mask.keep keeps, at every address, place and type"):
        _functional()
    with part("relu_dropout and dropout_add have the CPU's bits, and their gradients"):
        _fused()
    with part("plain operations have the same bits"):
        _plain()
    with part("a bound model has the CPU's masks, eager, forward and backward"):
        _layers(compiled=False)
    with part("a bound model has the CPU's masks, compiled, forward and backward"):
        _layers(compiled=True)
    with part("a gradient at an address is the address's mask, on strides"):
        _strides()
    with part("a stack of networks has each network's masks"):
        _stack()


def _functional() -> None:
    import thinned.torch
    from thinned import mask

    for dtype, address, place, rate in itertools.product(DTYPES, ADDRESSES, PLACES, (0.0, 0.3, 0.5, 1.0)):
        if place["shape"][0] == 1 << 20 and (dtype is not torch.float32 or rate in (0.0, 1.0)):
            continue  # the truth takes seconds for so many
        shape, where = place["shape"], {key: place[key] for key in ("share", "window") if key in place}
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        x.view(-1)[0] = float("nan")
        expected = thinned.torch.dropout(x, rate, **address, **where)
        given = x.to(CUDA).requires_grad_()
        found = thinned.torch.dropout(given, rate, **address, **where)
        assert same(found, expected), (dtype, address, place, rate)
        (gradient,) = torch.autograd.grad(found, given, torch.ones_like(found))
        ones = thinned.torch.dropout(torch.ones_like(x), rate, **address, **where)
        assert same(gradient, ones), ("gradient", dtype, address, place, rate)
        keep = torch.from_numpy(np.broadcast_to(mask.keep(shape, rate, **address, **where), shape).copy())
        assert torch.equal(gradient.cpu() != 0, keep), ("mask", dtype, address, place, rate)


def _fused() -> None:
    import thinned.torch

    for dtype, address, shape in itertools.product(DTYPES, ADDRESSES, ((5,), (64, 257), (1025,))):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        residual = torch.randn(shape, generator=torch.Generator().manual_seed(2)).to(dtype)
        upstream = torch.randn(shape, generator=torch.Generator().manual_seed(3)).to(dtype)
        calls: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
            lambda x, _, address=address: thinned.torch.relu_dropout(x, 0.3, **address),  # type: ignore[misc]
            lambda x, r, address=address: thinned.torch.dropout_add(x, r, 0.3, **address),  # type: ignore[misc]
        )
        for call in calls:
            sides = []
            for device in (torch.device("cpu"), CUDA):
                given = x.to(device).requires_grad_()
                found = call(given, residual.to(device))
                sides.append((found, torch.autograd.grad(found, given, upstream.to(device))[0]))
            assert same(sides[1][0], sides[0][0]), (dtype, address, shape, "forward")
            assert same(sides[1][1], sides[0][1]), (dtype, address, shape, "backward")


def _plain() -> None:
    from thinned.methods.dropout import plan
    from thinned.torch import _kernel
    from thinned.torch import _plain as plain

    for dtype, place in itertools.product(DTYPES, PLACES[:-1]):
        x = torch.randn(place["shape"], device=CUDA).to(dtype)
        how = plan(place["shape"], 0.3, place.get("share", ()), place.get("window"))
        for op in (0, 1, 2):
            expected = plain.thin(op, x, how, (2**63 + 5, 9, 2**31, 4), x)
            found = _kernel.thin(op, x, _kernel.ready(x, how), (2**63 + 5, 9, 2**31, 4), x)
            assert same(found, expected), (dtype, place, op)


def _layers(*, compiled: bool) -> None:
    import thinned.torch

    def make() -> torch.nn.Module:
        torch.manual_seed(0)
        body = torch.nn.Sequential(
            torch.nn.Linear(32, 64), thinned.torch.Dropout(0.3), torch.nn.ReLU(), thinned.torch.Dropout(0.5)
        )
        # Weights of one, so that both devices' sums are exact and only masks could differ.
        for each in body.parameters():
            torch.nn.init.constant_(each, 1.0)
        bound: torch.nn.Module = thinned.torch.bind(body, seed=7)
        return bound

    x = torch.randint(0, 4, (48, 32)).float()
    sides = []
    for device in (torch.device("cpu"), CUDA):
        model = make().to(device).train()
        run: Any = torch.compile(model) if compiled and device == CUDA else model
        seen = []
        for _ in range(3):
            given = x.detach().clone().to(device).detach().requires_grad_()
            y = run(given)
            y.sum().backward()
            seen.append((y.detach().cpu(), given.grad))
        sides.append(seen)
    for step, (ours, theirs) in enumerate(zip(*sides, strict=True)):
        assert torch.equal(ours[0] != 0, theirs[0] != 0), ("mask", step)
        torch.testing.assert_close(theirs[0], ours[0], rtol=1e-6, atol=0)
        torch.testing.assert_close(theirs[1].cpu(), ours[1], rtol=1e-5, atol=0)


def _strides() -> None:
    import thinned.torch

    base = torch.randn(64, 8, 6, 6)
    for x in (base.transpose(0, 1), base.contiguous(memory_format=torch.channels_last), base[::2, 1:]):
        expected = thinned.torch.dropout(x, 0.3, seed=1)
        given = x.to(CUDA)
        assert same(thinned.torch.dropout(given, 0.3, seed=1), expected)
        assert same(
            thinned.torch.dropout(given, 0.3, seed=1, share=(2, 3)),
            thinned.torch.dropout(x, 0.3, seed=1, share=(2, 3)),
        )


def _stack() -> None:
    from thinned import mask
    from thinned.torch._stack import Masks, relu_dropout

    seeds, rates = [5, 2**64 - 1, 2**63, 0], [0.0, 0.5, 0.3, 1.0]
    for examples, width in ((10, 37), (256, 256), (1, 8)):
        z = torch.randn(4, examples, width, device=CUDA, requires_grad=True)
        bias = torch.randn(4, width, device=CUDA, requires_grad=True)
        masks = Masks.of(2**32 - 5, seeds, rates, CUDA, torch.float32)
        y = relu_dropout(z, masks, 2**31 + 3, bias)
        upstream = torch.randn_like(y)
        got = torch.autograd.grad(y, (z, bias), upstream)
        keep = torch.stack(
            [
                torch.from_numpy(
                    mask.keep((examples, width), rate, seed=seed, site=2**32 - 5, step=2**31 + 3)
                )
                for seed, rate in zip(seeds, rates, strict=True)
            ]
        ).to(CUDA)
        before = z + bias[:, None]
        factor = masks.scales[:, None, None]
        assert torch.equal(y, torch.where(keep & (before > 0), before * factor, 0)), (examples, width)
        below = torch.where(keep & (before > 0), upstream * factor, 0)
        assert torch.equal(got[0], below), "gradient"
        torch.testing.assert_close(got[1], below.sum(1), rtol=1e-4, atol=1e-4)


# Speed


def speed() -> None:
    sizes = (1 << 12, 1 << 20, 1 << 22, 1 << 25)
    for dtype, size in itertools.product((torch.float32, torch.bfloat16), sizes):
        with part(f"speed {dtype} 2^{size.bit_length() - 1}"):
            _one_size(dtype, size)
    with part("speed of shared axes"):
        _shared()


def _one_size(dtype: torch.dtype, size: int) -> None:
    import thinned.torch

    x = torch.randn(size, device=CUDA).to(dtype)
    given = x.clone().requires_grad_()
    upstream = torch.randn_like(x)
    forward = _medians(
        {
            "thinned": lambda: thinned.torch.dropout(x, 0.5, seed=1, site=2, step=3),
            "torch": lambda: torch.nn.functional.dropout(x, 0.5),
            "copy": lambda: x * 2,
        }
    )

    def both(drop: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(drop(given), given, upstream)

    round_trip = _medians(
        {
            "thinned": both(lambda t: thinned.torch.dropout(t, 0.5, seed=1, site=2, step=3)),
            "torch": both(lambda t: torch.nn.functional.dropout(t, 0.5)),
        }
    )
    name = f"{str(dtype).removeprefix('torch.')} 2^{size.bit_length() - 1}"
    results.setdefault("speed", {})[name] = {"forward": forward, "forward and backward": round_trip}
    for what, found in (("forward", forward), ("forward and backward", round_trip)):
        ratio = found["torch"] / found["thinned"]
        shown = ", ".join(f"{key} {1e6 * value:.1f} us" for key, value in found.items())
        print(f"       {name} {what}: {ratio:.2f}x ({shown})")


def _shared() -> None:
    import thinned.torch

    x = torch.randn(64, 256, 56, 56, device=CUDA)
    found = _medians(
        {
            "thinned": lambda: thinned.torch.dropout(x, 0.5, seed=1, share=(2, 3)),
            "torch": lambda: torch.nn.functional.dropout2d(x, 0.5),
        }
    )
    results.setdefault("speed", {})["channels (64, 256, 56, 56)"] = {"forward": found}
    print(f"       channels: {found['torch'] / found['thinned']:.2f}x {found}")


def _medians(calls: dict[str, Callable[[], object]], rounds: int = 15) -> dict[str, float]:
    """Seconds a call by CUDA events, in turn, round by round, each round about 10 ms long."""
    repeats, times = {}, {name: [] for name in calls}  # type: dict[str, int], dict[str, list[float]]
    for name, call in calls.items():
        for _ in range(5):
            call()
        repeats[name] = max(3, round(0.01 / max(_timed(call, 10), 1e-7)))
    for _ in range(5 if QUICK else rounds):
        for name, call in calls.items():
            times[name].append(_timed(call, repeats[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def _timed(call: Callable[[], object], repeats: int) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(repeats):
        call()
    end.record()
    torch.cuda.synchronize()
    milliseconds: float = start.elapsed_time(end)
    return milliseconds / 1e3 / repeats


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit(
            "expected a GPU that PyTorch can use; got none. This script checks what only a GPU can show."
        )
    device = torch.cuda.get_device_name()
    print(f"{device}, torch {torch.__version__}, python {platform.python_version()}")
    asked = [each for each in sys.argv[1:] if not each.startswith("-")]
    for name, check in (("bits", bits), ("speed", speed), ("stacked", stacked)):
        if not asked or name in asked:
            check()
    if not asked:
        about = {"device": device, "torch": torch.__version__, "triton": version("triton")}
        name = device.lower().replace(" ", "-")
        path = Path(__file__).with_name("results") / f"{name}-gpu.json"
        path.write_text(json.dumps({**about, "failures": failures, **results}, indent=2) + "\n")
        print(path)
    sys.exit(f"failed: {failures}" if failures else 0)


if __name__ == "__main__":
    main()
