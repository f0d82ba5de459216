"""The parts of `gpu_check.py`: each says how it went, and what failed in one stops no other."""

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

CUDA = torch.device("cuda")
QUICK = "--quick" in sys.argv

failures: list[str] = []
results: dict[str, Any] = {}


@contextmanager
def part(name: str) -> Iterator[None]:
    """Say how a part went, and go on."""
    start = time.perf_counter()
    try:
        yield
    except Exception:
        failures.append(name)
        print(f"FAILED {name}\n{traceback.format_exc(limit=8)}", flush=True)
    else:
        print(f"ok     {name} ({time.perf_counter() - start:.1f} s)", flush=True)


def same(found: Tensor, expected: Tensor) -> bool:  # of values that may be NaN
    return found.dtype == expected.dtype and torch.equal(
        found.cpu().nan_to_num(7), expected.cpu().nan_to_num(7)
    )
