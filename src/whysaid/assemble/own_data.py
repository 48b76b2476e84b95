"""The data, and the decoding, of a checkpoint's own run, which evaluation uses."""

import logging
from collections.abc import Mapping
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from whysaid.errors import UserError
from whysaid.run.arguments import arguments_of

log = logging.getLogger(__name__)


def with_own_data(config: DictConfig, own: Mapping[str, Any]) -> DictConfig:
    """Returns `config` with the run's own data wherever it says nothing or null; data named with a target stay.

    Args:
        config: a composed evaluation configuration; it is not changed.
        own: the configuration in the checkpoint, plain containers.

    Raises UserError: a setting is given that these data do not have.
    """
    merged = OmegaConf.create(OmegaConf.to_container(config, resolve=False))
    assert isinstance(merged, DictConfig)
    given = config.data
    merged.data = over_own("data", merged.data, own)
    if "_target_" not in given and given.get("root") is not None and "root" in merged.data.source:
        merged.data.source.root = given.root
    if given.get("follow_links") is None and "follow_links" in merged.data:
        merged.data.follow_links = False  # the author of the checkpoint does not choose which files are read here
    return merged


def over_own(group: str, given: DictConfig | None, own: Mapping[str, Any]) -> DictConfig:
    """Lays the given values of a group over the run's own; a group that is given with a target stays as it is.

    Args:
        group: its name, `data` or `decoding`.
        given: the group as composed; a value of null says nothing.
        own: the configuration in the checkpoint, plain containers.

    Raises UserError: a setting is given that the run's own group does not have.
    """
    if given is not None and "_target_" in given:
        left_out = [] if given.get("filters") else (own.get(group) or {}).get("filters") or []
        if left_out:
            names = ", ".join(str(one.get("_target_", "")).rpartition(".")[2] for one in left_out)
            log.warning(
                "%s= takes the place of all that the checkpoint's run says of it, and leaves its filters out (%s): "
                "give single values such as %s.width=5 to keep them, or name them in %s.filters",
                *(group, names, group, group),
            )
        return given
    values = {str(name): value for name, value in (given or {}).items() if value is not None}
    known, _ = arguments_of(get_class(own[group]["_target_"]))  # more than its run knew where it has grown since
    unknown = sorted(values.keys() - own[group].keys() - known.keys())
    if unknown:
        raise UserError(f"the {group} of this checkpoint's run know no {unknown[0]}: leave {group}.{unknown[0]} out")
    merged = OmegaConf.merge(own[group], values)
    assert isinstance(merged, DictConfig)
    for name, value in values.items():
        if isinstance(value, DictConfig) and "_target_" in value:  # another kind of thing, with settings of its own
            merged[name] = value
    return merged
