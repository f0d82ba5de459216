"""The frameworks that can be asked: one row each, and one file each beside this one."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from thinned import __version__
from thinned.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework, and how its process is started.

    Args:
        name: as `--frameworks` has it.
        title: as people call it.
        module: of its `Trainer`, in this folder.
        packages: what it computes with, by distribution, its own first.
        form: what of `thinned` it uses, and how the step is compiled.
        built_in: its own dropout.
        environment: variables of its process.
        apart: whether it lives in an environment of its own.
    """

    name: str
    title: str
    module: str
    packages: tuple[str, ...]
    form: str
    built_in: str
    environment: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False


def _keras(backend: str, title: str, package: str) -> Framework:
    return Framework(
        f"keras-{backend}",
        f"Keras on {title}",
        "keras",
        ("keras", package),
        "bound layers, train_on_batch",
        "keras.layers.Dropout",
        {"KERAS_BACKEND": backend},
    )


FRAMEWORKS = (
    Framework(
        "numpy", "NumPy", "numpy", ("numpy",), "function, backward pass by hand", "rng.random(n) >= rate"
    ),
    Framework("torch", "PyTorch", "torch", ("torch",), "bound layers, eager", "torch.nn.Dropout"),
    Framework("jax", "JAX", "jax", ("jax",), "function, jax.jit", "jax.random.bernoulli"),
    Framework("flax", "Flax NNX", "flax", ("flax", "jax"), "bound layers, nnx.jit", "flax.nnx.Dropout"),
    Framework(
        "tensorflow", "TensorFlow", "tensorflow", ("tensorflow",), "function, tf.function", "tf.nn.dropout"
    ),
    _keras("torch", "PyTorch", "torch"),
    _keras("jax", "JAX", "jax"),
    _keras("tensorflow", "TensorFlow", "tensorflow"),
    Framework(
        "mxnet",
        "MXNet Gluon",
        "mxnet",
        ("mxnet",),
        "bound blocks, hybridised",
        "mxnet.gluon.nn.Dropout",
        apart=True,
    ),
)
"""In the order of tables and pictures; the first that takes part is the one that others are compared with."""

_PROBE = (
    "import json, platform, sys\n"
    "from importlib.metadata import version\n"
    "import thinned, mxnet\n"
    "print(json.dumps({'mxnet': mxnet.__version__, 'numpy': version('numpy'), 'thinned': thinned.__version__,"
    " 'python': platform.python_version()}))"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A framework that can run here.

    Args:
        framework: which.
        python: the interpreter of its process.
        versions: of `thinned`, Python, NumPy and its packages.
    """

    framework: Framework
    python: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Absent:
    """A framework that cannot run here.

    Args:
        framework: which.
        reason: and what to do, in a sentence.
    """

    framework: Framework
    reason: str


def choose(names: Sequence[str] | None) -> tuple[Framework, ...]:
    """The frameworks of these names, in the catalogue's order; all of them for None.

    Raises:
        ConfigurationError: an unknown name, one that is given twice, or fewer than two.

    Example:
        >>> [each.title for each in choose(["jax", "torch"])]
        ['PyTorch', 'JAX']
    """
    if names is None:
        return FRAMEWORKS
    known = [each.name for each in FRAMEWORKS]
    if set(names) - set(known) or len(set(names)) != len(names) or len(names) < 2:
        raise ConfigurationError(
            f"expected two or more of the frameworks {', '.join(known)}, each once; got {', '.join(names)!r}."
        )
    return tuple(each for each in FRAMEWORKS if each.name in names)


def look(frameworks: Sequence[Framework], mxnet_python: Path | None = None) -> Iterator[Found | Absent]:
    """For each framework, how to start it here, or why it cannot be.

    Args:
        frameworks: of the catalogue.
        mxnet_python: the interpreter that has MXNet; None looks for `.venv-mxnet` beside the checkout and in the
            current directory.
    """
    for each in frameworks:
        yield _look_apart(each, mxnet_python) if each.apart else _look(each)


def source() -> Path | None:
    """The folder that this library is imported from, where it is a checkout's and holds nothing else."""
    folder = Path(__file__).resolve().parents[3]
    return folder if folder.name == "src" else None


def _look(framework: Framework) -> Found | Absent:
    missing = [name for name in framework.packages if importlib.util.find_spec(name) is None]
    room = framework.module
    if missing:
        return Absent(framework, f"{missing[0]} is not installed. Run: pip install 'thinned[{room}]'")
    if (
        importlib.util.find_spec(f"thinned.{room}") is None
        or not (Path(__file__).parent / f"{room}.py").is_file()
    ):
        return Absent(framework, "this version of thinned has no front end for it.")
    versions = {name: _version(name) for name in (*framework.packages, "numpy")}
    about = {"thinned": __version__, "python": platform.python_version()} | versions
    return Found(framework, sys.executable, about)


def _version(package: str) -> str:
    # TensorFlow's module comes with distributions of several names.
    names = metadata.packages_distributions().get(package, [package])
    return metadata.version(names[0])


def _look_apart(framework: Framework, python: Path | None) -> Found | Absent:
    folder = source()
    places = [Path(".venv-mxnet"), *([] if folder is None else [folder.parent / ".venv-mxnet"])]
    tried = [python] if python else [place.absolute() / "bin" / "python" for place in places]
    python = next((each for each in tried if each.is_file()), None)
    if python is None:
        return Absent(
            framework,
            f"no interpreter at {' or '.join(map(str, dict.fromkeys(tried)))}. MXNet needs an environment of its "
            "own: make test-mxnet makes one; --mxnet-python names another.",
        )
    done = subprocess.run(  # noqa: S603 - the interpreter that the user named
        [str(python), "-P", "-c", _PROBE],
        capture_output=True,
        text=True,
        check=False,
        env=environment(framework),
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Absent(framework, f"{python} cannot import thinned and mxnet: {last}.")
    return Found(framework, str(python), json.loads(done.stdout))


def environment(framework: Framework) -> dict[str, str]:
    """Variables of a framework's process.

    One thread each, since threads split sums and two processes run at once; JAX with 64 bits; no talk.
    """
    path = source()
    settings = {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        **framework.environment,
    }
    if framework.apart and path is not None:
        settings["PYTHONPATH"] = str(path)
    return os.environ | settings
