"""Evaluation uses the data of the checkpoint's own run."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.errors import UserError


def with_own_data(config: DictConfig, own: Mapping[str, Any]) -> DictConfig:
    """`config` with the run's own data wherever it says nothing or null; data that it names with a target stay.

    Args:
        config: a composed evaluation configuration; it is not changed.
        own: the configuration in the checkpoint, plain containers.

    Raises UserError: a setting is given that these data do not have.
    """
    merged = OmegaConf.create(OmegaConf.to_container(config, resolve=False))
    assert isinstance(merged, DictConfig)
    if "_target_" in config.data:
        return merged
    given = {str(name): value for name, value in config.data.items() if value is not None}
    unknown = sorted(given.keys() - own["data"].keys())
    if unknown:
        raise UserError(f"the data of this checkpoint have no {unknown[0]}: leave data.{unknown[0]} out")
    merged.data = OmegaConf.merge(own["data"], given)
    if "root" in given and "root" in merged.data.source:
        merged.data.source.root = given["root"]
    return merged
