"""How a call of a bound Linen model carries its address: as variables, which Flax's transformations see.

Python's own state would be frozen into what `nn.jit` compiles. So in such a call each scope has two variables in
the collection `thinned`: the address, named after the scope's path, so that no program compiled for one path serves
another; and how often its layer has drawn.
"""

from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Any

from flax.core.scope import Scope

from thinned.errors import BindError

COLLECTION = "thinned"
USES = "#"
_CLOSED = "thinned closed"
NO_STEP = (
    "expected a step for a bound Linen model; got none. Pass step=state.step to apply, or the collection 'thinned' "
    "of init among the variables."
)


@dataclass(eq=False)
class Call:
    """A call of a bound model, or a look at a model, known while it is traced.

    Args:
        has_step: whether its layers can draw.
        mark: part of its variables' names, so that nothing compiled in a look is used again.
        names: whose each site is.
    """

    has_step: bool
    mark: str = ""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)


def entered(module: Any, method: Any, call: Call, address: Any) -> Any:
    """A method of a module, by its name or as a function, None for `__call__`, that begins a call."""

    def run(given: Any, *args: Any, **kwargs: Any) -> Any:
        # Flax has given scopes to the modules among its fields by now, and those know of no call: so once more.
        scope = given.scope.rewound()
        _enter(scope, call, address)
        root = module.clone(parent=scope, _deep_clone=True)
        if method is None:
            return root(*args, **kwargs)
        if isinstance(method, str):
            return getattr(root, method)(*args, **kwargs)
        return getattr(method, "__func__", method)(root, *args, **kwargs)

    return run


def _enter(scope: Any, call: Call, address: Any) -> None:
    """Begin a call: this scope, its children and its lifted copies are part of it."""
    _watch_children()
    scope.flags = {**scope.flags, COLLECTION: call}
    if call.has_step:
        scope.put_variable(COLLECTION, _key(scope), address)
        scope.put_variable(COLLECTION, USES, 0)


def draw(scope: Any, name: str) -> tuple[Any, Any] | None:
    """The address of a layer's next draw, (seed's low word, high word, step), and how often it has drawn before.

    None where no bound model calls.

    Raises:
        BindError: there is no step; another layer has the name; or a transformation has left the address behind.
    """
    call: Call | None = scope.flags.get(COLLECTION)
    if call is None:
        return None
    if not call.has_step:
        raise BindError(NO_STEP)
    if call.names.setdefault(name, scope.path) != scope.path:
        raise BindError(
            f"expected a site of its own for each layer; got {name!r} twice. Give one of them another site=..."
        )
    if not scope.has_variable(COLLECTION, _key(scope)) or not scope.is_mutable_collection(COLLECTION):
        raise BindError(
            f"expected the address of layer {name!r} inside a transformation; got none that counts its uses, "
            "since loops and nn.vmap leave the collection 'thinned' behind. Call thinned.jax.dropout there, with "
            "the turn or lane as draw; or have the loop carry it, nn.scan(variable_carry='thinned'), around layers "
            "of setup; or let lanes have one mask, nn.vmap(variable_axes={'thinned': None})."
        )
    count = scope.get_variable(COLLECTION, USES)
    scope.put_variable(COLLECTION, USES, count + 1)
    return scope.get_variable(COLLECTION, _key(scope)), count


def close(scope: Any) -> None:
    """Hand no address down from here, which would add variables to those that a loop carries."""
    if COLLECTION in scope.flags:
        scope.flags = {**scope.flags, _CLOSED: True}


def step_in(scope: Any) -> Any:
    """The step of the call of a bound model that this scope is in; None where there is none."""
    call: Call | None = scope.flags.get(COLLECTION)
    is_there = call is not None and call.has_step and scope.has_variable(COLLECTION, _key(scope))
    return scope.get_variable(COLLECTION, _key(scope))[2] if is_there else None


def draws(collection: Any) -> list[Any]:
    """How often each layer has drawn, from the collection as a call leaves it."""
    found = []
    for key, value in collection.items():
        if hasattr(value, "items"):
            found += draws(value)
        elif key == USES:
            found.append(value)
    return found


def _key(scope: Any) -> str:
    return f"@{'.'.join(scope.path)}{scope.flags[COLLECTION].mark}"


@cache
def _watch_children() -> None:
    """Have scopes of a bound call hand the address down; there is no hook for it that lifted copies keep."""
    given = Scope.push

    @wraps(given)
    def push(self: Any, *args: Any, **kwargs: Any) -> Any:
        child = given(self, *args, **kwargs)
        is_open = COLLECTION in self.flags and _CLOSED not in self.flags
        is_part = is_open and self.is_mutable_collection(COLLECTION)
        if is_part and self.has_variable(COLLECTION, _key(self)) and not child.has_variable(COLLECTION, USES):
            child.put_variable(COLLECTION, _key(child), self.get_variable(COLLECTION, _key(self)))
            child.put_variable(COLLECTION, USES, 0)
        return child

    setattr(Scope, "push", push)  # noqa: B010
