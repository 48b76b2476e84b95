"""`config.yaml` of a run directory: the resolved configuration, as plain containers."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from whysaid.data.files.whole import write_whole
from whysaid.errors import UserError
from whysaid.run.trusted import require_resolved, require_trusted
from whysaid.version import __version__

log = logging.getLogger(__name__)

LARGEST_CONFIG = 1_000_000
"""Bytes of a config.yaml; that of a run has about 10,000."""

END = "..."
"""YAML's mark of the end of a document, the last line of a config.yaml: what is cut off is YAML too."""

NEEDED = (
    *("task_name", "seed", "ckpt", "test", "monitor", "assemble"),
    *("data", "model", "task", "callbacks", "logger", "trainer"),
)
"""Keys without which no run can go on."""


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

    Such a file is too large, is cut off, or has aliases (`*name`), by which a few lines become gigabytes when they are
    read.
    """
    if path.stat().st_size > LARGEST_CONFIG:
        raise UserError(f"{path} has {path.stat().st_size} bytes: no run of this project wrote it")
    text = path.read_text(encoding="utf-8")
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
        raise UserError(f"{path} has aliases (*name): no run of this project wrote it")
    if text.rstrip().rpartition("\n")[2] != END:
        raise UserError(f"{path} is cut off: its last line is not `{END}`")


def load_config(path: Path) -> DictConfig:
    """Reads the `config.yaml` of a run directory.

    Raises:
        UserError: no run of this project wrote it, or it names code of others, or holds an interpolation.
    """
    try:
        require_plain(path)
        config = OmegaConf.load(path)
    except (yaml.YAMLError, UnicodeDecodeError, OSError, OmegaConfBaseException, RecursionError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({' '.join(str(error).split())[:300]}): no run of this project wrote it"
        ) from None
    plain = OmegaConf.to_container(config, resolve=False)
    paths = plain.get("paths") if isinstance(plain, dict) else None
    if not isinstance(config, DictConfig) or not isinstance(plain, dict) or not isinstance(paths, dict):
        raise UserError(f"{path} is no configuration of a run: no run of this project wrote it")
    if not isinstance(paths.get("run_dir"), str):
        raise UserError(f"{path} names no directory of a run: no run of this project wrote it")
    require_resolved(plain, path)
    require_trusted({str(key): value for key, value in plain.items()}, path)
    missing = [key for key in NEEDED if key not in plain]
    if missing:
        raise UserError(
            f"{path} has no {', '.join(missing)}: another version of whysaid than this one, {__version__}, wrote it"
        )
    if plain.get("version") != __version__:
        log.warning("%s is of version %s of whysaid; the run goes on with %s", path, plain.get("version"), __version__)
    return config


@rank_zero_only
def save_config(plain: Mapping[str, Any], folder: Path) -> None:
    """Writes `config.yaml`; after everything was built, since a failed `resume=` must leave the run's own file."""
    write_whole(folder / "config.yaml", f"{OmegaConf.to_yaml(OmegaConf.create(dict(plain)))}{END}\n")
