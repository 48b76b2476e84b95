"""Makes a captioner, its task and its data from a configuration."""

from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from whysaid.assemble.caption_subject import CaptionSubject
from whysaid.assemble.features import attach
from whysaid.assemble.own_data import over_own, with_own_data
from whysaid.checkpoint import Checkpoint, fit_weights, read_checkpoint, require_vocabulary
from whysaid.data.captions.datamodule import CaptionData
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.cache import encoder_fingerprint
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.ensemble import Ensemble
from whysaid.tasks.captioning import Captioning
from whysaid.tasks.writer import Writer


def build_task(
    config: DictConfig, plain: dict[str, Any], resumed: Path | None = None
) -> tuple[Captioning, CaptionData]:
    """Makes the LightningModule and its data, with the weights of `config.ckpt` where it is given.

    Args:
        config: a composed training configuration.
        plain: the same, resolved, as plain containers; it is stored in checkpoints.
        resumed: the checkpoint that training goes on from, in place of `config.ckpt`.
    """
    start = resumed or config.ckpt
    checkpoint = read_checkpoint(start) if start else None
    data: CaptionData = instantiate(config.data)
    vocabulary = data.vocabulary
    encoder: Encoder = instantiate(config.encoder)
    captioner: Captioner = instantiate(config.model)(encoder=encoder, vocab_size=len(vocabulary))
    if checkpoint:
        require_vocabulary(vocabulary, checkpoint)
        fit_weights(captioner, checkpoint)
    attach(data, captioner.encoder)
    task: Captioning = instantiate(config.task)(captioner=captioner, vocabulary=vocabulary, config=plain)
    if data.cache_features and task.tune_encoder:
        raise UserError("task.tune_encoder trains on pixels, data.cache_features on stored features: turn one off")
    return task, data


def build_evaluation(config: DictConfig) -> tuple[Writer, CaptionData, DictConfig]:
    """Makes what evaluates `config.ckpt`, a path or, for an ensemble, a list of paths.

    Data and decoding are those of the (first) checkpoint's run, with the values that `config` gives in their place.

    Returns:
        The module, the data, and the configuration completed by the checkpoint's.
    """
    paths = [config.ckpt] if isinstance(config.ckpt, str) else list(config.ckpt)
    loaded = [load_captioner(path) for path in paths]
    captioners, checkpoints = [model for model, _ in loaded], [checkpoint for _, checkpoint in loaded]
    merged = complete(config, checkpoints[0].config)
    encoder, vocabulary = captioners[0].encoder, checkpoints[0].vocabulary
    model: Captioner | Ensemble = captioners[0]
    if len(captioners) > 1:
        model = Ensemble(captioners, [checkpoint.vocabulary for checkpoint in checkpoints])
        merged.data.cache_features &= len({encoder_fingerprint(member.encoder) for member in captioners}) == 1
    data: CaptionData = instantiate(merged.data)
    data.evaluated = config.split
    attach(data, encoder, vocabulary)
    return Writer(model, vocabulary, instantiate(merged.decoding)), data, merged


def build_subject(path: str, decoding: DictConfig | None = None) -> CaptionSubject:
    """Makes a subject of the captioner in a checkpoint.

    Args:
        path: of the checkpoint.
        decoding: values in place of those of the checkpoint's run; None changes nothing.
    """
    captioner, checkpoint = load_captioner(path)
    return CaptionSubject(captioner, checkpoint, instantiate(over_own("decoding", decoding, checkpoint.config)))


def complete(config: DictConfig, own: dict[str, Any]) -> DictConfig:
    """Returns `config` with the run's own data and decoding wherever it says nothing or null."""
    merged = with_own_data(config, own)
    merged.decoding = over_own("decoding", config.get("decoding"), own)
    return merged


def load_captioner(path: str) -> tuple[Captioner, Checkpoint]:
    """Builds the captioner of a checkpoint, in evaluation mode, from the configuration stored in it."""
    checkpoint = read_checkpoint(path)
    used = checkpoint.parts("encoder", "model", "data", "decoding")
    stored = OmegaConf.create(used)
    if "weights" in stored.encoder:
        stored.encoder.weights = None  # they are in the checkpoint
    encoder: Encoder = instantiate(stored.encoder)
    captioner: Captioner = instantiate(stored.model)(encoder=encoder, vocab_size=len(checkpoint.vocabulary))
    fit_weights(captioner, checkpoint)
    return captioner.eval(), checkpoint
