"""The callbacks that score a checkpoint: those of its task, unless the command line chooses others."""

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from whysaid.run.conf import CONF


def with_task_callbacks(config: DictConfig, task: str) -> DictConfig:
    """Puts the evaluation callbacks of a task into a composed evaluation configuration, which is changed and returned.

    `conf/task/<task>.yaml` names them as `evaluation_callbacks`. A `callbacks=NAME` of the command line is kept.

    Args:
        config: composed before it was known which task the checkpoint is of.
        task: `captioning`, `inpainting` or `vqa`.
    """
    hydra = HydraConfig.get()
    if any(override.lstrip("+~").partition("=")[0] == "callbacks" for override in hydra.overrides.task):
        return config
    name = OmegaConf.load(CONF / "task" / f"{task}.yaml").evaluation_callbacks
    if hydra.runtime.choices["callbacks"] != name:
        config.callbacks = OmegaConf.load(CONF / "callbacks" / f"{name}.yaml")
    return config
