"""Makes a model that answers questions, its task and its data from a configuration."""

import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from whysaid.assemble.evaluation_callbacks import with_task_callbacks
from whysaid.assemble.features import require_one_input, seen_by
from whysaid.assemble.own_data import with_own_data
from whysaid.assemble.parts import make, make_stored
from whysaid.assemble.question_subject import QuestionSubject
from whysaid.assemble.support import NO_SUPPORT
from whysaid.checkpoint import (
    Checkpoint,
    fit_beginning,
    fit_weights,
    read_checkpoint,
    read_weights,
    require_vocabulary,
    stored_answers,
    stored_config,
)
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.questions.datamodule import QuestionData
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import VQAModel
from whysaid.tasks.answerer import Answerer
from whysaid.tasks.vqa import Answering

log = logging.getLogger(__name__)

MODULE = "model"
"""Name of the model inside the LightningModule."""


def build_task(
    config: DictConfig, plain: dict[str, Any], resumed: Path | None = None
) -> tuple[Answering, QuestionData]:
    """Makes the LightningModule and its data; weights from `config.ckpt`, or the encoder's from `config.encoder_ckpt`.

    Args:
        config: a composed training configuration.
        plain: the same, resolved, as plain containers; it is stored in checkpoints.
        resumed: the checkpoint that training goes on from, in place of `config.ckpt`.
    """
    start = resumed or config.ckpt
    data: QuestionData = make(config.data, QuestionData, "data")
    vocabulary, answers = data.vocabulary, data.answers
    encoder: Encoder = make(_unfilled(config, start or config.encoder_ckpt), Encoder, "encoder")
    sizes = {"vocab_size": len(vocabulary), "answers": len(answers)}
    model: VQAModel = make(config.model, VQAModel, "model", encoder=encoder, **sizes)
    if start:
        checkpoint = read_checkpoint(start, MODULE)
        require_vocabulary(vocabulary, checkpoint)
        _require_answers(answers, checkpoint)
        fit_weights(model, checkpoint)
    elif config.encoder_ckpt:
        start_encoder(encoder, config.encoder_ckpt)
    data = seen_by(encoder, data)
    texts = {"vocabulary": vocabulary, "answers": answers}
    task: Answering = make(config.task, Answering, "task", model=model, **texts, config=plain)
    require_one_input(data, task.tune_encoder)
    return task, data


def build_evaluation(config: DictConfig) -> tuple[Answerer, QuestionData, DictConfig]:
    """Makes what evaluates the checkpoint `config.ckpt`.

    Data are those of its run, with the values that `config` gives in their place; the callbacks are this task's unless
    others were chosen.

    Returns:
        The module, the data, and the configuration completed so.
    """
    if not isinstance(config.ckpt, str):
        raise UserError("VQA models make no ensemble: give one checkpoint, ckpt=PATH")
    model, checkpoint, answers = load_answering(config.ckpt)
    merged = complete(config, checkpoint.config)
    described: QuestionData = make_stored(checkpoint, merged.data, QuestionData, "data", evaluated=config.split)
    data = seen_by(model.encoder, described, checkpoint.vocabulary, answers)
    return Answerer(model, checkpoint.vocabulary, answers), data, merged


def build_subject(path: str, decoding: DictConfig | None = None, support: DictConfig | None = None) -> QuestionSubject:
    """Makes a subject of the VQA model in a checkpoint; `decoding` is that of captioners and has no effect.

    Raises:
        UserError: a file of support is named, and only captioners have that.
    """
    if support is not None and support.file not in (None, NO_SUPPORT):
        raise UserError(f"{path} is a VQA model's, which has no support: leave support.file out")
    model, checkpoint, answers = load_answering(path)
    return QuestionSubject(model, checkpoint, checkpoint.vocabulary, answers)


def complete(config: DictConfig, own: dict[str, Any]) -> DictConfig:
    """Returns `config` with the run's own data wherever it says nothing or null, and with the callbacks of the task."""
    merged = with_task_callbacks(with_own_data(config, own), "vqa")
    merged.metrics = merged.decoding = None  # those of captions
    return merged


def load_answering(path: str) -> tuple[VQAModel, Checkpoint, AnswerVocabulary]:
    """Builds the model of a checkpoint, in evaluation mode, from the configuration stored in it; and its answers."""
    checkpoint = read_checkpoint(path, MODULE)
    answers = stored_answers(path)
    stored = checkpoint.parts("encoder", "model", "data")
    encoder: Encoder = make_stored(checkpoint, _unfilled(stored, path), Encoder, "encoder")
    sizes = {"vocab_size": len(checkpoint.vocabulary), "answers": len(answers)}
    model: VQAModel = make_stored(checkpoint, stored.model, VQAModel, "model", encoder=encoder, **sizes)
    fit_weights(model, checkpoint)
    return model.eval(), checkpoint, answers


def start_encoder(encoder: Encoder, path: str) -> None:
    """Gives an encoder the weights of a checkpoint's, of a captioner or of another VQA model.

    Further blocks that the encoder has behind those of the checkpoint's are left as they are.

    Raises UserError where the checkpoint has no encoder, or one of another architecture.
    """
    task = str(stored_config(path).get("assemble")).rpartition(".")[2]
    module = {"vqa": MODULE, "captioning": "captioner"}.get(task)
    if module is None:
        raise UserError(f"{path} has no encoder to start from: encoder_ckpt takes a captioner's or a VQA model's")
    new = fit_beginning(encoder, read_weights(path, f"{module}.encoder", "encoder"))
    if new:
        parts = ", ".join(sorted({name.rpartition(".")[0] or name for name in new}))
        log.info("%s has no weights of these parts, which start at random: %s", path, parts)


def _unfilled(config: DictConfig, filled_from: str | Path | None) -> DictConfig:
    """Returns the encoder's configuration, without pretrained weights where a checkpoint's are loaded into it."""
    chosen: DictConfig = config.encoder.copy()
    if filled_from and "weights" in chosen:
        chosen.weights = None
    return chosen


def _require_answers(own: AnswerVocabulary, checkpoint: Checkpoint) -> None:
    """Raises UserError where the answers of a data set are not those of the checkpoint."""
    stored = stored_answers(checkpoint.path)
    if own.answers != stored.answers:
        raise UserError(
            f"{checkpoint.path} knows {len(stored)} answers that are not this data's ({len(own)}): "
            "use the data set and data.answers that it was trained with"
        )
