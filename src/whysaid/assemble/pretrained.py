"""Makes a model of transformers, its evaluation and its subject from a configuration."""

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from whysaid.assemble import PRETRAINED
from whysaid.assemble.evaluation_callbacks import with_task_callbacks
from whysaid.assemble.features import seen_by
from whysaid.assemble.own_data import over_own
from whysaid.assemble.question_subject import QuestionSubject
from whysaid.assemble.subject import Subject
from whysaid.assemble.writing_subject import WritingSubject
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.errors import UserError
from whysaid.models.explainable import VQAModel
from whysaid.models.transformers.load import Pretrained, load_pretrained
from whysaid.models.transformers.pretrained import PretrainedCaptioner
from whysaid.tasks.answerer import Answerer
from whysaid.tasks.writer import Writer


def build_subject(
    path: str, decoding: DictConfig | None = None, support: DictConfig | None = None, **options: str | None
) -> Subject:
    """Makes a subject of a model of transformers.

    Args:
        path: `hf:` and a folder, or a name of the hub.
        decoding: values in place of those that the model's own configuration of `generate` has; None changes nothing.
        options: `revision`, `dtype` and `device`, as `load_pretrained` takes them.
    """
    pretrained = load_pretrained(path.removeprefix(PRETRAINED), **options)
    model = pretrained.model
    if isinstance(model, VQAModel):
        return QuestionSubject(model, pretrained, pretrained.vocabulary, AnswerVocabulary(pretrained.labels))
    assert isinstance(model, PretrainedCaptioner)
    own = instantiate(over_own("decoding", decoding, own_decoding(model)))
    return WritingSubject(model, pretrained, pretrained.vocabulary, own)


def build_evaluation(config: DictConfig) -> tuple[Writer | Answerer, Any, DictConfig]:
    """Makes what evaluates the model of transformers `config.ckpt` on the data that the command line chooses.

    Returns:
        The module, the data, and the configuration completed.

    Raises:
        UserError: no data are chosen, or there is more than one model.
    """
    if not isinstance(config.ckpt, str):
        raise UserError("models of transformers make no ensemble: give one, ckpt=hf:NAME_OR_FOLDER")
    if "_target_" not in config.data:
        raise UserError("a model of transformers has no data of its own: choose some, such as data=coco")
    pretrained = load_pretrained(config.ckpt.removeprefix(PRETRAINED), config.revision, config.dtype)
    merged = OmegaConf.create(OmegaConf.to_container(config, resolve=False))
    assert isinstance(merged, DictConfig)
    merged.data.cache_features = False
    encoder, vocabulary, answers = pretrained.model.encoder, pretrained.vocabulary, None
    if not encoder.preprocessing.one_size:
        merged.data.eval_batch_size = 1  # each photo has a shape of its own
    if isinstance(pretrained.model, VQAModel):
        merged = with_task_callbacks(merged, "vqa")
        merged.metrics = merged.decoding = None  # those of captions
        answers = AnswerVocabulary(pretrained.labels)
        module: Writer | Answerer = Answerer(pretrained.model, vocabulary, answers)
    else:
        module, merged.decoding = _writer(pretrained, config)
    data = seen_by(encoder, instantiate(merged.data, evaluated=config.split), vocabulary, answers, as_pixels=True)
    return module, data, merged


def _writer(pretrained: Pretrained, config: DictConfig) -> tuple[Writer, DictConfig]:
    """What writes captions, and its decoding; UserError where it writes only answers, and nobody asks."""
    model = pretrained.model
    assert isinstance(model, PretrainedCaptioner)
    asks = "wording" in (config.get("study") or {})  # a study that asks questions of its own
    if "caption" not in model.options and not asks:
        raise UserError(
            f"{config.ckpt} answers questions one by one: explain it, poll it by study=polling, or evaluate a captioner"
        )
    decoding = over_own("decoding", config.get("decoding"), own_decoding(model))
    asked = (
        model if asks and "caption" not in model.options else model.asked(pretrained.vocabulary, prompt=config.prompt)
    )
    return Writer(asked, pretrained.vocabulary, instantiate(decoding)), decoding


def own_decoding(model: PretrainedCaptioner) -> dict[str, Any]:
    """The decoding that a model's own configuration of `generate` asks for, as a group of the configuration."""
    own = model.pretrained.generation_config
    width, longest = own.num_beams or 1, own.max_new_tokens or own.max_length or 20
    penalty = {"_target_": "whysaid.decoding.length_penalty.Average"} if width > 1 else None
    beam = {"_target_": "whysaid.decoding.beam.Beam", "width": width, "captions": 1, "length_penalty": penalty}
    return {"decoding": {**beam, "max_length": min(longest, 50), "filters": []}}
