"""Attribution methods by the names that they have in `conf/attribution`."""

from contextlib import nullcontext

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate

from whysaid.attribution.method import Method
from whysaid.errors import UserError
from whysaid.run.conf import CONF
from whysaid.run.resolvers import register_resolvers

SEVERAL = "all"
"""The choice that stands for many methods at once."""


def method_names() -> list[str]:
    """The methods that can be asked for by name, in alphabetical order."""
    return sorted(path.stem for path in (CONF / "attribution").glob("*.yaml") if path.stem != SEVERAL)


def named_method(name: str) -> Method:
    """The method with the settings of `conf/attribution/<name>.yaml`; UserError where there is no such file."""
    if name not in method_names():
        raise UserError(f"there is no attribution method {name!r}: choose one of {', '.join(method_names())}")
    register_resolvers()
    running = GlobalHydra.instance().is_initialized()  # inside a door, whose search path may hold a user's own methods
    with nullcontext() if running else initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(overrides=[f"+attribution={name}"])
    method: Method = instantiate(config.attribution)
    return method
