"""Makes a captioner of transformers that is trained on, from a configuration or from its own checkpoint."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from whysaid.assemble.captioning import complete
from whysaid.assemble.features import seen_by
from whysaid.assemble.labels import KEY
from whysaid.assemble.own_data import over_own
from whysaid.assemble.parts import make, make_stored
from whysaid.assemble.removals import with_removals
from whysaid.assemble.writing_subject import WritingSubject
from whysaid.checkpoint import Checkpoint, fit_weights, read_checkpoint, stored_files
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.whole import replaced_folder
from whysaid.decoding.decoder import Decoder
from whysaid.errors import UserError
from whysaid.models.transformers.load import Pretrained, load_pretrained
from whysaid.models.transformers.lora import merge_lora
from whysaid.models.transformers.stored import files_of, rebuilt, write_files
from whysaid.models.transformers.tuning import Tuning
from whysaid.tasks.tuned import Tuned
from whysaid.tasks.writer import Writer


def build_task(config: DictConfig, plain: dict[str, Any], resumed: Path | None = None) -> tuple[Tuned, CaptionData]:
    """Makes the LightningModule and its data.

    Args:
        config: a composed training configuration; its model is `model.pretrained`, or that of the checkpoint `ckpt`.
        plain: the same, resolved, as plain containers; it is stored in checkpoints.
        resumed: the checkpoint that training goes on from.

    Raises:
        UserError: there is no model, it cannot be trained, or labels are to be joined to what it sees.
    """
    if config.get(KEY):
        raise UserError(
            "objective=labels makes the encoder another one, and a model of transformers that is trained on keeps its "
            "own: choose another objective, or experiment=blip_scenes, whose BLIP is trained from the start"
        )
    tuning: Tuning = make(config.model, Tuning, "model")
    start = resumed or config.ckpt
    if start:
        pretrained, _ = load_tuned(start)
        files = stored_files(start)
        if not resumed:
            merge_lora(pretrained.model.pretrained)  # type: ignore[arg-type]
            tuning.prepared(pretrained)
    else:
        if tuning.pretrained is None:
            raise UserError("this experiment trains on a model of transformers: give model.pretrained=NAME_OR_FOLDER")
        pretrained = load_pretrained(tuning.pretrained, tuning.revision)
        files = files_of(pretrained.folder)
        tuning.prepared(pretrained)
    captioner = pretrained.model
    described: CaptionData = make(config.data, CaptionData, "data")
    seen = seen_by(captioner.encoder, described, pretrained.vocabulary, as_pixels=True)
    data = with_removals(captioner.encoder, seen)
    given = {"captioner": captioner, "vocabulary": pretrained.vocabulary, "config": plain}
    return make(config.task, Tuned, "task", tuning=tuning, files=files, **given), data


def stored_tuning(checkpoint: Checkpoint) -> Tuning:
    """How the model of a checkpoint was trained."""
    tuning: Tuning = make_stored(checkpoint, checkpoint.parts("model").model, Tuning, "model")
    return tuning


def load_tuned(path: str | Path) -> tuple[Pretrained, Checkpoint]:
    """Builds the model of a checkpoint, adapters included, in evaluation mode."""
    checkpoint = read_checkpoint(path)
    pretrained = rebuilt(stored_files(path), checkpoint.path)
    stored_tuning(checkpoint).prepared(pretrained)
    fit_weights(pretrained.model, checkpoint)
    pretrained.model.mean_regions = checkpoint.mean_regions
    pretrained.model.eval()
    return pretrained, checkpoint


def build_evaluation(config: DictConfig) -> tuple[Writer, CaptionData, DictConfig]:
    """Makes what evaluates the checkpoint `config.ckpt` on the data of its run, or on others.

    Returns:
        The module, the data, and the configuration completed by the checkpoint's.

    Raises:
        UserError: there are several checkpoints.
    """
    if not isinstance(config.ckpt, str | Path):
        raise UserError("models of transformers make no ensemble: give one checkpoint")
    pretrained, checkpoint = load_tuned(config.ckpt)
    merged = complete(config, checkpoint.config)
    described: CaptionData = make_stored(checkpoint, merged.data, CaptionData, "data", evaluated=config.split)
    data = seen_by(pretrained.model.encoder, described, pretrained.vocabulary, as_pixels=True)
    decoder: Decoder = make_stored(checkpoint, merged.decoding, object, "decoding")
    return Writer(pretrained.model, pretrained.vocabulary, decoder), data, merged  # type: ignore[arg-type]


def build_subject(path: str, decoding: DictConfig | None = None, support: DictConfig | None = None) -> WritingSubject:
    """Makes a subject of the captioner in a checkpoint; `decoding` has values in place of those of its run."""
    pretrained, checkpoint = load_tuned(path)
    chosen = over_own("decoding", decoding, checkpoint.config)
    decoder: Decoder = make_stored(checkpoint, chosen, object, "decoding")
    return WritingSubject(pretrained.model, checkpoint, pretrained.vocabulary, decoder)  # type: ignore[arg-type]


def write_result(run: Path) -> None:
    """Writes the best model of a run as a folder beside its checkpoint, for `from_pretrained` and for `ckpt=hf:FOLDER`.

    Adapters are added to the weights. What is there already is replaced when all is written.

    Args:
        run: the run directory.
    """
    best = run / "checkpoints" / "best.ckpt"
    if not best.is_file():
        return
    pretrained, _ = load_tuned(best)
    model: Any = pretrained.model.pretrained
    merge_lora(model)
    with replaced_folder(best.with_suffix("")) as folder:
        write_files(stored_files(best), folder)
        model.save_pretrained(folder)
