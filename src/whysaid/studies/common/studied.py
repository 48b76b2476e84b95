"""What kind of model a study is of."""

from typing import Any, get_args, get_type_hints

from hydra.utils import get_class
from omegaconf import DictConfig

from whysaid.errors import UserError
from whysaid.tasks.answerer import Answerer
from whysaid.tasks.writer import Writer

_MODELS = {Writer: "captioners", Answerer: "VQA models"}


def require_studied(name: str, study: DictConfig, task: Any) -> None:
    """Raises UserError where a study does not take such a task, as the type of its argument says.

    Args:
        name: of the study, for the message.
        study: its configuration, nothing of which is resolved but its target: what else it has may be of captions.
        task: of the checkpoint.
    """
    taken = get_type_hints(get_class(study._target_).__call__).get("task", Any)
    kinds = [kind for kind in get_args(taken) or (taken,) if kind in _MODELS]
    if kinds and not isinstance(task, tuple(kinds)):
        models = " and ".join(_MODELS[kind] for kind in kinds)
        raise UserError(f"study={name} is of {models}: give ckpt= the checkpoint of one")
