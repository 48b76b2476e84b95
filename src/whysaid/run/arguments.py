"""Values of the command line against what takes them: a number where a number belongs, before anything is built."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from functools import cache
from numbers import Real
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor

from whysaid.errors import UserError
from whysaid.run.conf import CONF
from whysaid.run.ranges import require_ranges


def given_overrides() -> list[str]:
    """Lists the overrides of this job's command line as they were typed, interpolations unresolved."""
    overrides = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    assert isinstance(overrides, list)
    return [str(override) for override in overrides]


def require_fitting(config: DictConfig, door: str) -> None:
    """Looks at every value that was given on this job's command line, and at the range of every number in `RANGES`.

    Args:
        config: composed, with these values.
        door: name of the door, whose own keys are of the kind of their defaults.

    Raises:
        UserError: a value is of another kind than the argument that it is for, or there is no such argument, or it is
            out of its range.
    """
    for override in OverridesParser.create().parse_overrides(given_overrides()):
        key = override.key_or_group
        if not override.is_delete() and "." in key:
            _require_argument(config, key, override)
        elif not override.is_delete() and not (CONF / key).is_dir():
            hint = _kind_of_default(door, key)
            if hint is not None and key in config:
                _require_kind(OmegaConf.select(config, key), hint, override)
    require_ranges(config)


def _require_argument(config: DictConfig, key: str, override: Override) -> None:
    """Raises UserError where what is built of the node above a key has no such argument, or one of another kind."""
    parent, _, name = key.rpartition(".")
    try:
        node, value = OmegaConf.select(config, parent), OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return  # whoever uses it says what is wrong with it
    if not isinstance(node, DictConfig) or "_target_" not in node or name not in node or name.startswith("_"):
        return
    try:
        target = locate(node._target_)
    except ErrorDuringImport:
        return  # instantiating says so
    if not callable(target):
        return
    known, takes_others = arguments_of(target)
    if name in known:
        _require_kind(value, known[name], override)
    elif not takes_others:
        near = get_close_matches(name, known, n=1)
        rather = f": did you mean {parent}.{near[0]}?" if near else f"; there are {', '.join(known)}"
        raise UserError(f"{override.input_line}: {node._target_} takes no {name}{rather}")


@cache
def arguments_of(target: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """Returns the names of a callable's arguments with their types, and whether it takes any others.

    A class that hands further arguments on to its base has those of the base too.
    """
    owners = [owner for owner in target.__mro__ if "__init__" in vars(owner)] if inspect.isclass(target) else [target]
    known: dict[str, Any] = {}
    for owner in owners:
        function = owner.__init__ if inspect.isclass(owner) else owner
        try:
            parameters, hints = inspect.signature(function).parameters.values(), get_type_hints(function)
        except (TypeError, ValueError, NameError):
            return known, True
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) and parameter.name != "self":
                hint = hints.get(parameter.name, Any)
                known.setdefault(parameter.name, hint | None if _is_implicit(parameter, hint) else hint)
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            return known, False
    return known, True


def _is_implicit(parameter: inspect.Parameter, hint: Any) -> bool:
    return parameter.default is None and isinstance(hint, type)


def _kind_of_default(door: str, key: str) -> type | None:
    default = _defaults(door).get(key)
    return type(default) if isinstance(default, bool | int | float) else None


@cache
def _defaults(door: str) -> dict[str, Any]:
    """Returns the own keys of a door with their defaults."""
    content = OmegaConf.to_container(OmegaConf.load(CONF / f"{door}.yaml"))
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _require_kind(value: Any, hint: Any, override: Override) -> None:
    if not _fits(value, hint):
        raise UserError(f"{override.input_line}: {_named(hint)} belongs here")


def _fits(value: Any, hint: Any) -> bool:
    """Tells whether a value of a configuration can be what a type hint asks for; True where that cannot be told."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if hint is bool:
        return isinstance(value, bool) or value in (0, 1)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    if hint in (NoneType, None):
        return value is None
    if hint is str:
        return isinstance(value, str)
    kind = origin or hint
    if not isinstance(kind, type) or kind in (Any, object) or issubclass(kind, Path | Enum):
        return True
    if issubclass(kind, list | tuple | Sequence):
        return isinstance(value, ListConfig | DictConfig)
    return isinstance(value, DictConfig)  # a mapping, or an object that a `_target_` describes


def _named(hint: Any) -> str:
    """Returns what a type hint asks for in words."""
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "null"}
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        parts = [_named(part) for part in get_args(hint)]
        return " or ".join(dict.fromkeys(part for part in parts if part))
    if hint in names:
        return names[hint]
    kind = get_origin(hint) or hint
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return "a mapping, such as {name: value},"
    if isinstance(kind, type) and issubclass(kind, list | tuple | Sequence):
        return "a list, such as [a,b],"
    return "" if hint is Tensor else "what a group or a _target_ names"
