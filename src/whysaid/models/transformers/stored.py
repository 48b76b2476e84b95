"""A model of transformers without its weights, as text: what a checkpoint holds beside them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from whysaid.errors import UserError
from whysaid.models.transformers.families import architecture
from whysaid.models.transformers.folder import read_config
from whysaid.models.transformers.load import LOCAL, Pretrained, adapted, parts_of

_TEXT = (".json", ".txt", ".jinja")


def files_of(folder: Path) -> dict[str, str]:
    """Name → text of a model's configurations and tokenizer.

    Raises:
        UserError: its tokenizer is no text.
    """
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()) if path.suffix in _TEXT}
    texts.pop("model.safetensors.index.json", None)
    if not {"tokenizer.json", "vocab.txt", "vocab.json"} & texts.keys():
        raise UserError(f"{folder} has no tokenizer.json, which checkpoints hold: save its tokenizer anew")
    return texts


def write_files(files: Mapping[str, str], folder: Path) -> None:
    """Writes texts under their names; UserError where a name is none of such a file."""
    for name, text in files.items():
        if Path(name).name != name or Path(name).suffix not in _TEXT or not isinstance(text, str):
            raise UserError(f"{name!r} is no configuration of a model of transformers: train again")
        (folder / name).write_text(text, encoding="utf-8")


def rebuilt(files: Mapping[str, str], path: Path) -> Pretrained:
    """Makes the model that `files_of` described, its weights drawn at random.

    Args:
        files: name → text.
        path: of the checkpoint that holds them.

    Raises:
        UserError: it is of no known family, or cannot be made.
    """
    import transformers

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(files, folder)
        kind = architecture(read_config(folder), str(path))
        try:
            tokenizer, processor = parts_of(folder)
            config = transformers.AutoConfig.from_pretrained(folder, **LOCAL)
            pretrained = getattr(transformers, kind)._from_config(config, attn_implementation="eager")
            if "generation_config.json" in files:
                pretrained.generation_config = transformers.GenerationConfig.from_pretrained(folder, **LOCAL)
        except Exception as error:  # transformers raises many kinds
            raise UserError(
                f"{path} holds no whole model of transformers ({type(error).__name__}): train again"
            ) from error
    return adapted(path, path, kind, pretrained, tokenizer, processor)
