"""Plans run on torch tensors: by a kernel of the CPU or the GPU where there is one, else in plain operations."""

from pathlib import Path

import torch
from torch import Tensor

from thinned.errors import DtypeError
from thinned.kernels import laws
from thinned.kernels.execute import ADD, DROP, RELU, Coordinates, Job, Memory, Team, crew
from thinned.kernels.execute import ready as _ready
from thinned.kernels.execute import relu_gradient as _relu_gradient
from thinned.kernels.openmp import team
from thinned.kernels.pages import LEAST, ask_for_large
from thinned.mask.plan import Plan
from thinned.methods.law import LawPlan
from thinned.torch import _gpu, _plain

__all__ = [
    "ADD", "DROP", "DTYPES", "RELU", "check_dtype", "drawn", "law", "ready", "ready_for", "relu_gradient", "thin",
]  # fmt: skip

DTYPES = {
    torch.float32: "float32",
    torch.float64: "float64",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
}
"""What kernels store, by their names of it."""


# By names of our own: between two kernels each attribute on the way to them is looked up in cold memory.
_STRIDED, _empty_like = torch.strided, torch.empty_like


def check_dtype(x: Tensor) -> None:
    """Refuse what no kernel can drop from.

    Raises:
        DtypeError: not one of float32, float64, bfloat16, float16, or not dense.
    """
    if x.dtype not in DTYPES:
        hint = "; drop from torch.view_as_real(x)" if x.is_complex() else "; convert it with x.float()"
        raise DtypeError(
            f"expected a tensor of float32, float64, bfloat16 or float16; got {x.dtype} of shape "
            f"{tuple(x.shape)}{hint}."
        )
    if x.layout is not torch.strided:
        raise DtypeError(
            f"expected a dense tensor; got one of layout {x.layout} and shape {tuple(x.shape)}; drop from its "
            "values()."
        )


def ready(x: Tensor, how: Plan) -> Job:
    """A plan made ready for tensors like `x`."""
    check_dtype(x)
    return ready_for(x.dtype, how, torch.get_num_threads())


def ready_for(dtype: torch.dtype, how: Plan, threads: int) -> Job:
    """A plan made ready for tensors of one of `DTYPES`, and at most so many threads."""
    return _ready(how, DTYPES[dtype], threads, _TEAM)


def thin(op: int, x: Tensor, job: Job, address: Coordinates, residual: Tensor | None = None) -> Tensor:
    """`y = k x s` and its fused forms, in a fresh tensor with the memory format of `x`.

    Args:
        op: `DROP`, `RELU` or `ADD`.
        x: what is thinned.
        job: made ready for tensors like `x`.
        address: seed, site, step, draw.
        residual: what `ADD` adds, like `x`.
    """
    if x.layout is not _STRIDED:
        check_dtype(x)
    if not x.is_cpu:
        return _elsewhere(op, x, job.plan, address, residual)
    source = x if x.is_contiguous() and not x.is_neg() else _whole(x)
    result = _fresh(source)
    added = None if residual is None else _whole(residual)
    job.run(
        op, source.data_ptr(), None if added is None else added.data_ptr(), result.data_ptr(), address,
        (source, result, added),
    )  # fmt: skip
    return result if source is x else torch.empty_like(x).copy_(result)


def _elsewhere(op: int, x: Tensor, how: Plan, address: Coordinates, residual: Tensor | None) -> Tensor:
    """`thin` on a GPU by its kernel, and on any other device in plain operations."""
    if not _gpu.serves(x):
        return _plain.thin(op, x, how, address, residual)
    source = _whole(x)
    result = torch.empty_like(source)
    _gpu.thin(op, source, result, how, address, None if residual is None else _whole(residual))
    return result if source is x else torch.empty_like(x).copy_(result)


def thin_into(out: Tensor, op: int, x: Tensor, job: Job, address: Coordinates) -> None:
    """`thin` written into a tensor like `x`, or over `x` itself."""
    if x.layout is not _STRIDED:
        check_dtype(x)
    apart = out.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    if x.is_cpu and _whole(x) is x and _whole(out) is out and (apart or out is x):
        job.run(op, x.data_ptr(), None, out.data_ptr(), address, (x, out))
    else:
        out.copy_(thin(op, x, job, address))


def law(x: Tensor, how: LawPlan, address: Coordinates) -> Tensor:
    """What a plan of any law says, in a fresh tensor with the memory format of `x`."""
    check_dtype(x)
    if not x.is_cpu:
        return _plain.law(x, how, address)
    source = _whole(x)
    result = _fresh(source)
    laws.run(
        DTYPES[x.dtype], source.data_ptr(), result.data_ptr(), how, address,
        threads=torch.get_num_threads(), team=_TEAM, owners=(source, result),
    )  # fmt: skip
    return result if source is x else torch.empty_like(x).copy_(result)


def drawn(result: Tensor, how: LawPlan, address: Coordinates) -> Tensor:
    """Fill a contiguous tensor with what a plan that only writes says."""
    if not result.is_cpu:
        return result.copy_(_plain.law(result, how, address))
    laws.run(
        DTYPES[result.dtype], result.data_ptr(), result.data_ptr(), how, address,
        threads=torch.get_num_threads(), team=_TEAM, owners=(result,),
    )  # fmt: skip
    return result


def relu_gradient(gradient: Tensor, output: Tensor, scale: float) -> Tensor:
    """The gradient of `y = k relu(x) s` from `y` alone."""
    if not gradient.is_cpu:
        return _plain.relu_gradient(gradient, output, scale)
    gradient, output = _whole(gradient), _whole(output)
    result = _fresh(gradient)
    _relu_gradient(
        _memory(gradient),
        _memory(output),
        _memory(result),
        scale,
        threads=torch.get_num_threads(),
        team=_TEAM,
    )
    return result


def _fresh(x: Tensor) -> Tensor:
    """A tensor like `x` that is about to be written throughout."""
    result = _empty_like(x)
    size = result.nbytes
    if size >= LEAST:
        ask_for_large(result.data_ptr(), size)
    return result


def _whole(x: Tensor) -> Tensor:
    """The tensor in row-major memory; itself where it is already."""
    return x if x.is_contiguous() and not x.is_neg() else x.resolve_neg().contiguous()


def _memory(x: Tensor) -> Memory:
    return Memory(DTYPES[x.dtype], x.data_ptr(), x.numel(), x)


def _openmp_team() -> Team:
    """The threads that PyTorch's own operations run on, where they are OpenMP's; else our own."""
    package = Path(torch.__file__).parent
    for library in sorted([*package.glob("lib/libgomp*"), *package.parent.glob("torch.libs/libgomp*")]):
        try:
            return team(library)
        except (OSError, AttributeError):
            continue
    return crew


_TEAM = _openmp_team()
