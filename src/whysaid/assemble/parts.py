"""Objects of a configuration: what is wrong with their settings is said in one line that names the group."""

import re
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf.errors import OmegaConfBaseException

from whysaid.checkpoint import Weights
from whysaid.errors import UserError, is_out_of_memory
from whysaid.version import __version__

_SETTINGS = (TypeError, ValueError, RuntimeError, ArithmeticError, OmegaConfBaseException)
"""What constructors and torch raise for settings that they cannot take. Other kinds are defects."""

_UNKNOWN = re.compile(r"unexpected keyword argument '(\w+)'")


def make(config: Any, kind: type, group: str, /, **arguments: Any) -> Any:
    """Makes the object that a group of the user's own configuration describes.

    Args:
        config: of the group, with a `_target_`.
        kind: class of the object.
        group: its name, for messages.
        arguments: further ones of the constructor's.

    Raises:
        UserError: its constructor refuses the settings, or it is of another kind.
    """
    try:
        return _made(config, kind, **arguments)
    except Exception as error:
        cause = innermost(error)
        if isinstance(cause, UserError):
            raise cause from None  # its own cause would be itself
        if is_out_of_memory(cause) or not isinstance(cause, _SETTINGS):
            raise
        raise UserError(f"{group} cannot be made with these settings ({_reason(cause)}): change {group}.…") from error


def make_stored(checkpoint: Weights, config: Any, kind: type, group: str, /, **arguments: Any) -> Any:
    """Makes the object that a group of a checkpoint's configuration describes.

    Args:
        checkpoint: that the configuration is from, for messages.
        config, kind, group, arguments: as of `make`.

    Raises:
        UserError: anything is wrong with it, such as settings of another version of this package.
    """
    try:
        return _made(config, kind, **arguments)
    except Exception as error:  # the file may be anybody's
        cause = innermost(error)
        if isinstance(cause, UserError):
            raise cause from None  # its own cause would be itself
        if is_out_of_memory(cause):
            raise
        own = checkpoint.config.get("version")
        unknown = _UNKNOWN.search(str(cause))
        if unknown or own != __version__:
            by = f"version {str(own)[:20]}" if own else "another version"
            what = f"knows no {group}.{unknown[1]}" if unknown else f"cannot make its {group}: {_reason(cause)}"
            raise UserError(
                f"{checkpoint.path} was written by {by} of whysaid, and this one, {__version__}, {what}"
            ) from error
        raise UserError(f"{checkpoint.path} has a {group} that cannot be made ({_reason(cause)})") from error


def _made(config: Any, kind: type, /, **arguments: Any) -> Any:
    made = instantiate(config, **arguments) if arguments and not config.get("_partial_") else instantiate(config)
    if isinstance(made, partial):
        made = made(**arguments)
    if not isinstance(made, kind):
        raise TypeError(f"{type(made).__name__} is no {kind.__name__}")
    return made


def innermost(error: BaseException) -> BaseException:
    """Returns what Hydra wraps: the user's error, or the one that a constructor raised."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
