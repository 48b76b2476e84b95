"""Makes a captioner, its task and its data from a configuration."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from whysaid.assemble.caption_subject import CaptionSubject
from whysaid.assemble.features import require_one_input, seen_by
from whysaid.assemble.labels import fit_stored, start_labels
from whysaid.assemble.mean_picture import complete_mean, lacks_mean
from whysaid.assemble.own_data import over_own, with_own_data
from whysaid.assemble.parts import make, make_stored
from whysaid.assemble.removals import with_removals
from whysaid.assemble.support import chosen_support
from whysaid.checkpoint import Checkpoint, read_checkpoint, require_vocabulary
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.features.featured import ModelInputs
from whysaid.decoding.decoder import Decoder
from whysaid.decoding.support.known import asks_support
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
    data: CaptionData = make(config.data, CaptionData, "data")
    vocabulary = data.vocabulary
    encoder: Encoder = make(config.encoder, Encoder, "encoder")
    captioner: Captioner = make(config.model, Captioner, "model", encoder=encoder, vocab_size=len(vocabulary))
    if checkpoint:
        require_vocabulary(vocabulary, checkpoint)
    plain = {**plain, "labels": start_labels(captioner, data, config, checkpoint)}
    data = with_removals(captioner.encoder, seen_by(captioner.encoder, data))
    task: Captioning = make(config.task, Captioning, "task", captioner=captioner, vocabulary=vocabulary, config=plain)
    require_one_input(data, task.tune_encoder)
    return task, data


def build_evaluation(config: DictConfig) -> tuple[Writer, CaptionData, DictConfig]:
    """Makes what evaluates `config.ckpt`, a path or, for an ensemble, a list of paths.

    Data and decoding are those of the (first) checkpoint's run, with the values that `config` gives in their place.

    Returns:
        The module, the data, and the configuration completed by the checkpoint's.
    """
    captioner, checkpoint, alike = load_captioners(config.ckpt)
    merged = complete(config, checkpoint.config)
    merged.data.cache_features &= alike
    described: CaptionData = make_stored(checkpoint, merged.data, CaptionData, "data", evaluated=config.split)
    scored = not config.get("study")
    writer, data = _writer(captioner, checkpoint, described, merged.decoding, support=config.support, scored=scored)
    return writer, data, merged


def build_writer(
    ckpt: str | Sequence[str], data: CaptionData, decoding: Mapping[str, Any], changes: Mapping[str, Any]
) -> tuple[Writer, CaptionData]:
    """Makes what writes captions of data that another checkpoint was evaluated on, and these data as it sees them.

    Args:
        ckpt: a path or, for an ensemble, a list of paths.
        data: as the other checkpoint sees them.
        decoding: a configuration.
        changes: laid over it or, with a target, taken in place of it. The support of words that it may go by is the one
            beside the checkpoint.
    """
    captioner, checkpoint, alike = load_captioners(ckpt)
    changed = over_own("decoding", OmegaConf.create(dict(changes)), {"decoding": decoding})
    return _writer(captioner, checkpoint, data, changed, alike)


def _writer(
    captioner: Captioner | Ensemble,
    checkpoint: Checkpoint,
    data: CaptionData,
    decoding: DictConfig,
    one_encoder: bool = True,
    support: Mapping[str, Any] | None = None,
    scored: bool = False,
) -> tuple[Writer, CaptionData]:
    """What writes captions of data; it knows the support of words where that is to be scored, or the decoding asks."""
    members = [*captioner.captioners] if isinstance(captioner, Ensemble) else [captioner]
    vocabulary = checkpoint.vocabulary
    data = seen_by(members[0].encoder, data, vocabulary, as_pixels=not one_encoder)
    decoder: Decoder = make_stored(checkpoint, decoding, object, "decoding")
    complete_mean(members, decoder, data)
    known = chosen_support(captioner, checkpoint, support) if scored or asks_support(decoder) else None
    return Writer(captioner, vocabulary, decoder, known), data


def load_captioners(ckpt: str | Sequence[str]) -> tuple[Captioner | Ensemble, Checkpoint, bool]:
    """Builds the captioner of a path, or the ensemble of a list of paths.

    Returns:
        The model, the (first) checkpoint, and whether all members share an encoder, whose cached features then serve
        all of them.
    """
    loaded = [load_captioner(path) for path in ([ckpt] if isinstance(ckpt, str) else ckpt)]
    captioners, checkpoints = [model for model, _ in loaded], [checkpoint for _, checkpoint in loaded]
    if len(captioners) == 1:
        return captioners[0], checkpoints[0], True
    alike = len({encoder_fingerprint(member.encoder) for member in captioners}) == 1
    return Ensemble(captioners, [checkpoint.vocabulary for checkpoint in checkpoints]), checkpoints[0], alike


def build_subject(path: str, decoding: DictConfig | None = None, support: DictConfig | None = None) -> CaptionSubject:
    """Makes a subject of the captioner in a checkpoint.

    Args:
        path: of the checkpoint.
        decoding: values in place of those of the checkpoint's run; None changes nothing.
        support: where the support of its words lies, see `chosen_support`; None looks beside the checkpoint.
    """
    captioner, checkpoint = load_captioner(path)
    chosen = over_own("decoding", decoding, checkpoint.config)
    decoder: Decoder = make_stored(checkpoint, chosen, object, "decoding")
    if lacks_mean([captioner], decoder):
        data: CaptionData = make_stored(checkpoint, checkpoint.parts("data")["data"], CaptionData, "data")
        inputs = ModelInputs(captioner.encoder.preprocessing, vocabulary=checkpoint.vocabulary)
        complete_mean([captioner], decoder, data.for_model(inputs))
    return CaptionSubject(captioner, checkpoint, decoder, chosen_support(captioner, checkpoint, support))


def complete(config: DictConfig, own: dict[str, Any]) -> DictConfig:
    """Returns `config` with the run's own data and decoding wherever it says nothing or null."""
    merged = with_own_data(config, own)
    merged.decoding = over_own("decoding", config.get("decoding"), own)
    return merged


def load_captioner(path: str) -> tuple[Captioner, Checkpoint]:
    """Builds the captioner of a checkpoint, in evaluation mode, from the configuration stored in it."""
    checkpoint = read_checkpoint(path)
    stored = checkpoint.parts("encoder", "model", "data", "decoding")
    if "weights" in stored.encoder:
        stored.encoder.weights = None  # they are in the checkpoint
    encoder: Encoder = make_stored(checkpoint, stored.encoder, Encoder, "encoder")
    words = len(checkpoint.vocabulary)
    captioner: Captioner = make_stored(checkpoint, stored.model, Captioner, "model", encoder=encoder, vocab_size=words)
    fit_stored(captioner, checkpoint)
    captioner.mean_regions = checkpoint.mean_regions
    return captioner.eval(), checkpoint
