"""The folder of a model of transformers: where it comes from, and what must be in it."""

import json
import os
from pathlib import Path
from typing import Any

from whysaid.errors import UserError
from whysaid.run.trusted import TRUST

FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "tokenizer*", "merges*", "vocab*"]
"""What is fetched of a model: configurations, tokenizer and weights, and no code."""

_PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "tf_model.h5")


def find_folder(name: str, revision: str | None = None) -> Path:
    """The folder that is named, or that of the hub's model of this name, which is fetched if it is not there.

    Args:
        name: a path, or a name of the hub.
        revision: branch, tag or commit of the hub; None: the main branch.

    Raises:
        UserError: there is no such folder or model, or the hub cannot be reached.
    """
    path = Path(name)
    if path.is_dir():
        return path
    if path.is_file() or path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or not name:
        raise UserError(
            f"there is no folder {name}: give ckpt=hf: a folder that save_pretrained wrote, or a hub's name"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_wanted()))
    except GatedRepoError as error:
        raise UserError(
            f"{name} asks for an agreement first: accept it on its page, and run `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{name} has no revision {revision}: leave revision= out, or give another") from error
    except Exception as error:  # of many kinds: no network, a proxy, no such name, offline mode
        raise UserError(
            f"{name} is no folder here, and the hub cannot be reached or has no such model: on a machine with internet "
            f"run `hf download {name} --local-dir FOLDER`, copy the folder here, and give ckpt=hf:FOLDER"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """The contents of a folder's config.json.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} has no config.json: give the folder of a model that save_pretrained wrote") from None
    except ValueError as error:
        raise UserError(f"{folder}/config.json is damaged ({error}): fetch it again") from error
    if not isinstance(config, dict):
        raise UserError(f"{folder}/config.json is no configuration of a model: fetch it again")
    return config


def require_files(folder: Path, reads: bool = True) -> None:
    """Raises UserError where a folder lacks its weights, its image processor or its tokenizer, or weights are pickled.

    Args:
        folder: of a model.
        reads: whether a tokenizer is needed.
    """
    if not any(folder.glob("*.safetensors")) and os.environ.get(TRUST) != "1":
        if any(path for pattern in _PICKLED for path in folder.glob(pattern)):
            raise UserError(
                f"{folder} has its weights pickled, and they are read from safetensors alone: write them anew, where "
                f"you trust their author, with from_pretrained and save_pretrained, or set {TRUST}=1"
            )
        raise UserError(f"{folder} has no model.safetensors: fetch the weights too")
    if not any((folder / name).exists() for name in ("preprocessor_config.json", "processor_config.json")):
        raise UserError(
            f"{folder} has no image processor (preprocessor_config.json): save the model's processor beside it, "
            "processor.save_pretrained(FOLDER)"
        )
    if reads and not any((folder / name).exists() for name in _TOKENIZERS):
        raise UserError(
            f"{folder} has no tokenizer (tokenizer.json): save the model's tokenizer beside it, "
            "tokenizer.save_pretrained(FOLDER)"
        )


_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def _wanted() -> list[str]:
    return [*FILES, "pytorch_model*.bin"] if os.environ.get(TRUST) == "1" else FILES
