"""From a folder, or a name of the hub, to a model under this project's contract."""

from dataclasses import dataclass
from hashlib import sha256
from math import isqrt
from pathlib import Path
from typing import Any

import torch

from whysaid.data.files.digest import file_digest
from whysaid.data.pieces import PieceVocabulary
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable
from whysaid.models.transformers.dialogue import own_template
from whysaid.models.transformers.families import adapter, architecture
from whysaid.models.transformers.folder import find_folder, read_config, require_files
from whysaid.models.transformers.processing import ProcessorPreprocessing
from whysaid.models.transformers.size import chosen_dtype, require_memory

LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""What every reader of transformers is told: nothing is fetched, and no code is run."""


@dataclass
class Pretrained:
    """A model of transformers under this project's contract, in evaluation mode.

    Attributes:
        path: as it was asked for.
        folder: of its files.
        model: an adapter.
        vocabulary: its tokens.
        labels: the answers of a model that chooses one; empty for one that writes.
    """

    path: Path
    folder: Path
    model: Explainable
    vocabulary: PieceVocabulary
    labels: tuple[str, ...] = ()

    def sha256(self) -> str:
        """Of all its files of weights, one after the other, in hexadecimal digits."""
        weights = sorted(self.folder.glob("*.safetensors")) or sorted(self.folder.glob("pytorch_model*.bin"))
        digests = [file_digest(path) for path in weights]
        return digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()


def load_pretrained(
    name: str, revision: str | None = None, dtype: str | None = None, device: str | None = None
) -> Pretrained:
    """Loads a model of transformers.

    Args:
        name: a folder that `save_pretrained` wrote, tokenizer and processor included, or a name of the hub.
        revision: branch, tag or commit of the hub.
        dtype: `float32`, `bfloat16` or `float16`; None: float32.
        device: such as `cpu` or `cuda:0`; None: the CPU.

    Raises:
        UserError: it cannot be found, is of no known family, lacks files, or does not fit.
    """
    place = _device(device)
    numbers = chosen_dtype(dtype, place)
    folder = find_folder(name, revision)
    kind = architecture(read_config(folder), name)
    require_files(folder)
    require_memory(folder, name, numbers, place)
    return build(name, folder, kind, numbers, place)


def build(name: str, folder: Path, kind: str, dtype: torch.dtype, device: torch.device) -> Pretrained:
    """Makes the model of a folder of which all files are there; UserError where one of them is damaged."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer, processor = parts_of(folder)
        pretrained, report = getattr(transformers, kind).from_pretrained(
            folder,
            **LOCAL,
            use_safetensors=any(folder.glob("*.safetensors")),
            attn_implementation="eager",  # which gives the attention, and goes back for many words at once
            dtype=dtype,
            output_loading_info=True,
        )
    except Exception as error:  # transformers raises many kinds for damaged files
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{name} cannot be loaded ({reason}): fetch or save it again") from error
    if report["missing_keys"]:
        raise UserError(f"{name} lacks weights of a {kind}, such as {min(report['missing_keys'])}: fetch them again")
    made = adapted(name, folder, kind, pretrained, tokenizer, processor)
    made.model.to(device)
    return made


def parts_of(folder: Path) -> tuple[Any, Any]:
    """The tokenizer and the image processor in a folder."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **LOCAL)
    tokenizer.chat_template = own_template(folder, tokenizer)
    return tokenizer, transformers.AutoImageProcessor.from_pretrained(folder, **LOCAL)


def adapted(name: str | Path, folder: Path, kind: str, pretrained: Any, tokenizer: Any, processor: Any) -> Pretrained:
    """A model of transformers with its parts, under this project's contract."""
    made = adapter(kind, pretrained.config)
    vocabulary = made.vocabulary_of(pretrained, tokenizer)
    preprocessing = preprocessing_of(processor, pretrained.config, made.photos)
    model = made(pretrained, preprocessing, vocabulary).eval()
    return Pretrained(Path(name), folder, model, vocabulary, made.labels_of(pretrained.config))


def preprocessing_of(
    processor: Any, config: Any, kind: type[ProcessorPreprocessing] = ProcessorPreprocessing
) -> ProcessorPreprocessing:
    """An image processor as a preprocessing of a kind, its nominal size that of the model's vision part."""
    vision = getattr(config, "vision_config", None) or getattr(config, "encoder", None) or config
    size = getattr(vision, "image_size", None) or _square(processor)
    normalised = processor.do_normalize
    mean = tuple(processor.image_mean) if normalised else (0.0, 0.0, 0.0)
    std = tuple(processor.image_std) if normalised else (1.0, 1.0, 1.0)
    return kind(size if isinstance(size, int) else size[0], mean, std, processor=processor)


def _square(processor: Any) -> int:
    """The side, pixels, of what a processor makes of a photo; of one that keeps shapes, of a square near to 448."""
    if not hasattr(processor, "merge_size"):
        return int(processor.size["height"])
    step = processor.patch_size * processor.merge_size
    side = min(448, isqrt(processor.size["longest_edge"]))
    return int(max(side // step, 1) * step)


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or "cpu")
    except RuntimeError:
        raise UserError(f"device={name} is no device: give cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device={name} asks for a GPU, and there is none here: leave device= out")
    return device
