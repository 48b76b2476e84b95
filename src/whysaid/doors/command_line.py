"""The command line as it was typed: what is text stays text, however Hydra's grammar would read it."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from whysaid.errors import UserError

_WORDS = ("answer", "caption", "question")
_PLACES = ("annotations", "cache_dir", "ckpt", "data_dir", "dirpath", "encoder_ckpt", "file", "filename", "folder")
_FURTHER_PLACES = ("hat", "image", "inpainter", "keep", "mask", "output_dir", "path", "predictions")
_MORE_PLACES = ("references", "regions_file", "resume", "root", "run_dir", "runs", "save_dir", "stage", "weights")
_NAMES = ("entity", "group", "id", "name", "notes", "project", "setup", "study_name", "task_name")
_WHOLE_KEYS = ("data.source.images", "data.source.questions", "embedder.model")

TEXTS = frozenset((*_WORDS, *_PLACES, *_FURTHER_PLACES, *_MORE_PLACES, *_NAMES, *_WHOLE_KEYS))
"""Keys, or last parts of keys, whose values are text: names, paths, captions, questions and answers."""

_OVERRIDE = re.compile(r"(?P<key>\+{0,2}[\w.-]+)=(?P<value>.*)", re.DOTALL)


def keep_texts(arguments: Sequence[str]) -> list[str]:
    """Quotes the values of `TEXTS` that Hydra's grammar would read as a number, take apart, or not read at all.

    So `answer=2`, `data.root=2026_11_29` and `image=IMG (1).png` mean what they say. Left as they are: values in quotes
    of Hydra's own, lists, null, interpolations, and in a sweep whatever is no number, since commas part its jobs.

    Args:
        arguments: those behind the command's name.
    """
    sweep = any(word in ("-m", "--multirun") or word.lower() == "hydra.mode=multirun" for word in arguments)
    return [_quoted(word) if _is_text(word) and _is_taken_apart(word, sweep) else word for word in arguments]


_SEVERAL = re.compile(r"attribution=\[(?P<names>[\w\s,]+)\]")


def name_methods(arguments: Sequence[str]) -> list[str]:
    """Makes of `attribution=[lrp,grad_cam]` two methods under their names, where Hydra would make one of both."""
    words: list[str] = []
    for word in arguments:
        match = _SEVERAL.fullmatch(word)
        if match:
            names = dict.fromkeys(name.strip() for name in match["names"].split(",") if name.strip())
            words += ["~attribution", *(f"+attribution@attribution.{name}={name}" for name in names)]
        else:
            words.append(word)
    return words


def _is_text(word: str) -> bool:
    match = _OVERRIDE.fullmatch(word)
    key = match["key"].lstrip("+") if match else ""
    return key in TEXTS or key.rpartition(".")[2] in TEXTS


def _is_taken_apart(word: str, sweep: bool) -> bool:
    """Tells whether the grammar makes anything but text of a value."""
    value = word.partition("=")[2]
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException:
        return not sweep and not (value.startswith("[") and value.endswith("]")) and "${" not in value
    if override.is_sweep_override():
        return not sweep
    return isinstance(override.value(), bool | int | float)


def _quoted(word: str) -> str:
    key, _, value = word.partition("=")
    return f"{key}={QuotedString(value, Quote.double).with_quotes()}"


def require_given(config: DictConfig, key: str, what: str) -> None:
    """Raises UserError, which says what belongs there, where a key of a door has no value."""
    if OmegaConf.is_missing(config, key) or config[key] in (None, ""):
        raise UserError(f"{key}= is missing: {what}")


def require_checkpoint(config: DictConfig) -> None:
    """Raises UserError where `ckpt` has no value; it says what makes a checkpoint, and names the newest run if any."""
    runs = Path(config.paths.output_dir).glob("train/*/checkpoints/best.ckpt")
    newest = max(runs, key=lambda path: path.stat().st_mtime, default=None)
    example = "outputs/train/DATE_TIME" if newest is None else newest.parents[1]
    require_given(
        config,
        "ckpt",
        f"give a checkpoint, or the directory of its training, as in ckpt={example}; `python -m src.train` makes one",
    )


def in_two_quotes(key: str, value: str) -> str:
    """Returns how `key=value` is typed so that neither shell nor Hydra takes the value apart."""
    word = f"{key}={QuotedString(value, Quote.double).with_quotes()}"
    if "'" not in word:
        return f"'{word}'"
    return '"' + re.sub(r'([\\"$`])', r"\\\1", word) + '"' if "!" not in word else shlex.quote(word)
