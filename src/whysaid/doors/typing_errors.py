"""One line about a mistyped command: what is wrong with it, and the nearest key or choice that there is."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from whysaid.doors.command_line import in_two_quotes
from whysaid.run.conf import CONF, DOORS, choices, groups_of

OPTIONAL = ("attribution", "detector", "embedder", "experiment", "scheduler")
"""Groups without which a door does what it can: no schedule, maps of attention alone."""

_ABSENT = re.compile(r"Could not (?:override|delete from config\.|delete) ?'(?P<key>[^'=]+)")
_NO_CHOICE = "Config group override must be a string or a list."


def typing_error(error: Exception, door: str, arguments: Sequence[str]) -> str | None:
    """Explains what Hydra complains of; None where it is not about the command line, or Hydra says it all.

    Args:
        error: Hydra's.
        door: name of the door that was called.
        arguments: those behind the command's name.
    """
    if isinstance(error, OverrideParseException):
        return _unreadable(error, door)
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        options = [option for option in error.options if option != "base"]
        rather = _question(get_close_matches(choice, options, n=1, cutoff=0.6)).removeprefix(":")
        return f"there is no {group}={choice}:{rather} choose one of {', '.join(options)}"
    if str(error).startswith(_NO_CHOICE):
        return _no_choice(door, arguments)
    absent = _ABSENT.match(str(error))
    return None if absent is None else _no_such_key(absent["key"], door, arguments)


def _unreadable(error: OverrideParseException, door: str) -> str:
    key, equals, value = error.override.partition("=")
    if not equals:
        return f"{error.override!r} is no key=value: `python -m src.{door} --help` shows some"
    problem = (
        f"{error.override} cannot be read, since Hydra's grammar takes the value apart: give it two pairs of quotes"
    )
    if value.startswith(("[", "{")):
        return f"""{problem}, or in a list each part, '{key}=["one","two"]'"""
    return f"{problem}, {in_two_quotes(key, value)}"


def _no_choice(door: str, arguments: Sequence[str]) -> str | None:
    groups = groups_of(door)
    for override in _overrides(arguments):
        group = override.key_or_group
        value = override.value()
        if not (CONF / group).is_dir() or override.is_delete() or isinstance(value, str | list):
            continue
        if group not in groups:
            return _no_such_key(group, door, arguments)
        names = choices(group)
        if value is not None:
            return f"there is no {override.input_line}: choose one of {', '.join(names)}"
        if groups[group] is None:
            return f"{group}=null: no {group} is chosen unless it is asked for; leave this out"
        if "none" in names:
            return f"{group}=null: a group is left out by {group}=none"
        if group in OPTIONAL:
            return f"{group}=null: a group is left out by ~{group}"
        return f"{group}=null: {group} cannot be left out; choose one of {', '.join(names)}"
    return None


def _no_such_key(key: str, door: str, arguments: Sequence[str]) -> str:
    given = [override for override in _overrides(arguments) if override.key_or_group == key]
    others = [override.input_line or "" for override in _overrides(arguments) if override.key_or_group != key]
    elsewhere = [other for other in DOORS if other != door and key in _top(other)]
    if elsewhere:
        return f"there is no {key} here: it belongs to `python -m src.{elsewhere[0]}`"
    rather = _question(nearest(key, names_of(door, others)))
    if rather or not given or given[0].is_delete():
        return f"there is no {key}{rather}"
    shown = f"`python -m src.{door} --cfg job` shows all keys"
    return f"there is no {key}: {shown}; a new one is added by +{given[0].input_line}"


def _top(door: str) -> list[str]:
    """Lists the groups of a door, and the keys of its own file."""
    return [*groups_of(door), *map(str, OmegaConf.load(CONF / f"{door}.yaml").keys())]


def names_of(door: str, overrides: Sequence[str]) -> list[str]:
    """Lists the keys of a door's configuration, as composed with overrides, and its groups; none if it has an error."""
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(door, list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException, ValueError):
        return []
    return [*groups_of(door), *_keys(config)]


def _keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in config:
        name = f"{prefix}{key!s}"
        yield name
        node = config._get_node(key)
        if isinstance(node, DictConfig) and isinstance(
            node._content, dict
        ):  # no interpolation, and neither ??? nor null
            yield from _keys(node, f"{name}.")


def nearest(key: str, names: Iterable[str]) -> list[str]:
    """Finds the names that were probably meant by a key, at most three: beside it, by its last part, or like it."""
    known = list(dict.fromkeys(names))
    parent, _, last = key.rpartition(".")
    beside = {name.rpartition(".")[2]: name for name in known if name.rpartition(".")[0] == parent}
    close = [beside[match] for match in get_close_matches(last, beside, n=1, cutoff=0.6)]
    elsewhere = [name for name in known if name.rpartition(".")[2] == last]
    if close or elsewhere:
        return close or sorted(elsewhere, key=len)[:3]
    by_last = {name.rpartition(".")[2]: name for name in reversed(known)}
    return [by_last[match] for match in get_close_matches(last, by_last, n=1, cutoff=0.8)]


def _question(names: Sequence[str]) -> str:
    return f": did you mean {' or '.join(names)}?" if names else ""


def _overrides(arguments: Sequence[str]) -> Iterator[Override]:
    for argument in arguments:
        try:
            if not argument.startswith("-"):
                yield OverridesParser.create().parse_override(argument)
        except HydraException:
            continue
