"""`bind`: every draw of every layer has an address, and the model's step is saved with it."""

import functools
import warnings
from typing import Any, SupportsIndex, TypeVar

import keras

from thinned.errors import BindError
from thinned.keras._backend import backend
from thinned.keras._binding import Binding, site_layers
from thinned.keras._names import check_model, walk
from thinned.keras._state import Address
from thinned.keras._swap import COUNTERPARTS, amount, swap
from thinned.methods.batch import Batch, as_batch

Model = TypeVar("Model")

KEY = "thinned"
"""Where the configuration of a bound model keeps what is ours."""

_STATE = "_thinned_address"
"""The attribute that holds a bound model's seed and step, which is also their name in its files."""


def bind(model: Model, seed: SupportsIndex, batch: Batch | None = None) -> Model:
    """Give every draw of a model an address: its masks become a function of (seed, layer's name, step).

    In place. The step counts training calls of `model`, from 0. Like the state of a random generator it is among
    `model.variables`; unlike it, it is saved with the model and its weights, beside the seed. Evaluation leaves
    it, unless a layer draws then. Layers that are not from `thinned.keras` are left alone: see `convert`.

    A saved bound model loads bound (after `import thinned.keras`), on any backend, and goes on from its seed and
    step. Weights saved before the model was bound load as they did.

    Args:
        model: any Keras model or layer. A bound model inside it is unbound, and binding again replaces. Its
            class becomes a subclass of its class, of the same name, until `unbind`.
        seed: the run, in [-2^63, 2^64).
        batch: `(axis, global_size, start)`: where the local rows lie in the global batch. By default they are
            the whole.

    Returns:
        `model`.

    Raises:
        AddressError: a seed outside its width.
        BindError: a `batch` that is not three integers, or two layers that would draw alike.

    Example:
        >>> import keras, thinned, thinned.keras
        >>> model = keras.Sequential([keras.layers.Dense(8), thinned.keras.layers.Dropout(0.5, name="drop")])
        >>> _ = thinned.keras.bind(model, seed=0)
        >>> y = model(keras.ops.ones((1, 4)), training=True)
        >>> [bool(v != 0) for v in y[0]] == thinned.mask.keep((1, 8), 0.5, seed=0, site="drop", step=0)[0].tolist()
        True
    """
    strangers = attach(model, seed, batch)
    if strangers:
        warnings.warn(
            f"{', '.join(map(repr, strangers))}: Keras' own dropout, whose masks this seed does not govern; use "
            "thinned.keras.convert(model, seed=...) to replace it.",
            stacklevel=2,
        )
    return model


def attach(model: Any, seed: SupportsIndex, batch: Batch | None = None, *, keep: bool = False) -> list[str]:
    """`bind`, which returns the names of Keras' own layers and does not warn of them.

    Args:
        model: as in `bind`.
        seed: as in `bind`.
        batch: as in `bind`.
        keep: leave the bound models inside it bound.
    """
    batch = as_batch(batch)
    check_model(model)
    layers, address = site_layers(model), Address(seed, model.name)
    for _, layer in walk(model):
        if not keep or layer is model:
            unbind(layer)
    binding = Binding(model, address, batch)
    kind: Any = type(model)
    model.__class__ = _bound_class(kind)
    _track(model, address)
    vars(model)["_thinned"] = binding
    binding.join(binding.unclaimed(layers) if keep else layers)
    _forget_compiled(model)
    return [name for name, layer in walk(model) if type(layer) in COUNTERPARTS and amount(layer) > 0]


def unbind(model: Any) -> None:
    """Take a binding off: its layers are free again. Nothing happens to a model that is not bound.

    Raises:
        BindError: no Keras model or layer.
    """
    check_model(model)
    binding = binding_of(model)
    if binding is None:
        return
    binding.leave()
    backend.untrack(model, _STATE, binding.address.state)
    model._tracker.untrack(binding.address)
    delattr(model, _STATE)
    del vars(model)["_thinned"]
    model.__class__ = type(model)._base
    _forget_compiled(model)


def binding_of(model: Any) -> Binding | None:
    """The binding of a bound model, else None."""
    found: Binding | None = vars(model).get("_thinned")
    return found


def _track(model: Any, address: Address) -> None:
    """Make the address a state of the model, as a generator's would be; a model that is built is locked for it."""
    was_locked = model._tracker.locked
    model._tracker.unlock()
    setattr(model, _STATE, address)
    model._tracker.locked = was_locked
    backend.track(model, _STATE, address.state)


def _forget_compiled(model: Any) -> None:
    """Training functions that were traced before know other addresses."""
    for name in ("train_function", "test_function", "predict_function"):
        if hasattr(model, name):
            setattr(model, name, None)


class _Bound(keras.Layer):  # type: ignore[misc]
    """What a file of a bound model names as its class: it puts the model together again."""

    def get_config(self) -> dict[str, Any]:
        """Of no model: each class of bound models has its own."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The model from its own class's configuration, bound; its step comes with its weights."""
        config = dict(config)
        ours = config.pop(KEY)
        model = keras.saving.deserialize_keras_object({**ours["class"], "config": config})
        attach(model, ours["seed"], ours["batch"], keep=True)
        vars(model)["_thinned_sites"] = ours["sites"]
        _complete(model)
        return model


@functools.cache
def _bound_class(base: Any) -> type:
    """A subclass whose calls have addresses, and which Keras saves as bound."""

    @functools.wraps(base.call)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        training = _training(self, args, kwargs)
        if "_thinned_sites" in vars(self):
            _complete(self, must=training)
        with vars(self)["_thinned"].call(training=training):
            return base.call(self, *args, **kwargs)

    def rematerialized_call(self: Any, layer_call: Any, *args: Any, **kwargs: Any) -> Any:
        if not self._remat_mode:
            return layer_call

        def run(*args: Any, **kwargs: Any) -> Any:
            # The step is taken outside what is recomputed.
            binding = vars(self)["_thinned"]
            with binding.call(training=_training(self, args, kwargs)):
                remat = functools.partial(base.rematerialized_call, self)
                inner = binding.recomputable(remat, functools.partial(base.call, self), kwargs)
                return inner(*args, **kwargs)

        return run

    @functools.wraps(base.get_config)  # with Keras' mark of its default one
    def get_config(self: Any) -> dict[str, Any]:
        config: dict[str, Any] = base.get_config(self)
        binding = vars(self)["_thinned"]
        of = {
            "module": base.__module__,
            "class_name": base.__name__,
            "registered_name": keras.saving.get_registered_name(base),
        }
        ours = {
            "seed": binding.address.seed,
            "batch": binding.batch,
            "sites": list(binding.held),
            "class": of,
        }
        return {**config, KEY: ours}

    def reduce(self: Any) -> Any:
        return _Bound._unpickle_model, base.__reduce__(self)[1]  # this class has no name to be found by

    def save(self: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        if str(filepath).endswith((".h5", ".hdf5")):
            raise BindError(
                f"expected a .keras file, which keeps seed, step and sites; got {str(filepath)!r}, of a legacy "
                "format, from which the model would load free. Use .keras or save_weights, or unbind it before."
            )
        return base.save(self, filepath, *args, **kwargs)

    def new(cls: type, *args: Any, **kwargs: Any) -> Any:
        return base(*args, **kwargs)  # a model that is made from a bound one's class is not bound

    body: dict[str, Any] = {
        "__new__": new,
        "__doc__": base.__doc__,
        "__module__": "thinned.keras",
        "_base": base,
        "call": call,
        "rematerialized_call": rematerialized_call,
        "get_config": get_config,
        "__reduce__": reduce,
        "from_config": classmethod(lambda _, config: _Bound.from_config(config)),
    }
    if hasattr(base, "save"):
        body["save"] = functools.wraps(base.save)(save)
    # One base, so that an object of the one class may become one of the other.
    return _register(type(base)(base.__name__, (base,), body))


def _register(cls: type) -> type:
    """Whatever class a bound model had, its file says `thinned>Bound`."""
    return keras.saving.register_keras_serializable(package="thinned", name="Bound")(cls)  # type: ignore[no-any-return]


_register(_Bound)


def _training(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call is known to train; a `call` without that argument does not say."""
    names = list(model._call_signature.parameters)
    place = names.index("training") if "training" in names else len(args)
    return bool(kwargs.get("training", args[place] if place < len(args) else False))


def _complete(model: Any, *, must: bool = False) -> None:
    """Give a loaded model's layers the sites that they were saved with, once they are all there.

    Layers that other layers make for themselves come as Keras' own, when their owner is built.
    """
    binding, saved = vars(model)["_thinned"], vars(model)["_thinned_sites"]
    for name, layer in walk(model):
        if type(layer) in COUNTERPARTS and name in saved:
            swap(layer)
    layers = binding.unclaimed(site_layers(model))
    if len(layers) != len(saved):
        if must:
            missing = sorted(set(saved).symmetric_difference(layers))
            raise BindError(
                f"expected the layers that the model was saved with; got more or fewer: "
                f"{', '.join(map(repr, missing))}. Bind it anew: thinned.keras.bind(model, seed)."
            )
        return
    binding.join(layers if set(layers) == set(saved) else dict(zip(saved, layers.values(), strict=True)))
    del vars(model)["_thinned_sites"]
