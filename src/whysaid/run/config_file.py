"""`config.yaml` of a run directory: the resolved configuration, as plain containers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from whysaid.data.files.whole import write_whole
from whysaid.errors import UserError
from whysaid.run.trusted import require_resolved, require_trusted_run

LARGEST_CONFIG = 1_000_000
"""Bytes of a config.yaml; that of a run has about 10,000."""


def run_dir() -> Path:
    """Returns the directory of this run, made where it is absent."""
    path = Path(HydraConfig.get().runtime.output_dir)
    path.mkdir(parents=True, exist_ok=True)
    return path


def resolved(config: DictConfig) -> dict[str, Any]:
    """Returns the configuration as plain containers, every interpolation resolved."""
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def require_plain(path: Path) -> None:
    """Raises UserError for a config.yaml that no run wrote.

    Such a file is too large, or has aliases (`*name`), by which a few lines become gigabytes when they are read.
    """
    if path.stat().st_size > LARGEST_CONFIG:
        raise UserError(f"{path} has {path.stat().st_size} bytes: no run of this project wrote it")
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(path.read_text(errors="replace"))):
        raise UserError(f"{path} has aliases (*name): no run of this project wrote it")


def load_config(path: Path) -> DictConfig:
    """Reads the `config.yaml` of a run directory.

    Raises:
        UserError: no run of this project wrote it, or it names code of others, or holds an interpolation.
    """
    try:
        require_plain(path)
        config = OmegaConf.load(path)
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise UserError(
            f"{path} cannot be read ({' '.join(str(error).split())}): no run of this project wrote it"
        ) from None
    if not isinstance(config, DictConfig) or not OmegaConf.select(config, "paths.run_dir"):
        raise UserError(f"{path} is no configuration of a run: no run of this project wrote it")
    plain = OmegaConf.to_container(config, resolve=False)
    require_resolved(plain, path)
    require_trusted_run(plain, path)
    return config


@rank_zero_only
def save_config(plain: Mapping[str, Any], folder: Path) -> None:
    """Writes `config.yaml`; after everything was built, since a failed `resume=` must leave the run's own file."""
    write_whole(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(plain))))
