"""One tokeniser for references and hypotheses: half a BLEU is lost between two.

The Penn Treebank tokeniser of the COCO evaluation (Chen et al. 2015), lower-cased, its punctuation removed. It works
line by line, so every line break that Unicode knows is turned into a space first, and the count of lines is checked.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

import regex
from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS, STANFORD_CORENLP_3_4_1_JAR

from whysaid.data.files.kept import kept, load_json, save_json
from whysaid.data.words import LETTERS, composed, words
from whysaid.errors import UserError
from whysaid.metrics.java import ENGLISH, PYCOCOEVALCAP, find_java
from whysaid.metrics.score import Unavailable, warn_once

Captions = Mapping[int, Sequence[str]]
"""image id → captions as written."""

Tokenizer = Literal["ptb", "words"]
"""The Penn Treebank's, or that of the vocabulary."""

_WORD = regex.compile(rf"{LETTERS}(?:(?:[-'./&]|(?<=\d)[:,](?=\d)){LETTERS})*")
_PUNCTUATION = regex.compile(r"\p{P}+")
"""That of other scripts, such as 。 and ¿, is not in the list of the COCO evaluation."""
_FOREIGN = 0.02
"""Share of words with letters beyond ASCII from which on references are not taken for English; COCO has none."""
_CONTRACTION = re.compile(r"(.+?)(n't|'(?:s|re|ve|ll|d|m))")
_TIMEOUT = 1800  # seconds; a hundred thousand captions take less than ten


def tokenize(captions: Captions, cache_dir: Path | None = None) -> dict[int, list[str]]:
    """Tokens of every caption, joined by single spaces, by image id; `plain_tokenize` steps in where Java is missing.

    Args:
        captions: any text; line breaks count as spaces, an empty caption stays empty and in its place.
        cache_dir: where the result is kept under the hash of its input, so that Java runs once per data set.
    """
    try:
        return ptb_tokenize(captions, cache_dir)
    except Unavailable as error:
        _warn(error)
        return plain_tokenize(captions)


def tokenize_both(
    predictions: Mapping[int, str], references: Captions, cache_dir: Path | None = None, tokenizer: Tokenizer = "ptb"
) -> tuple[dict[int, str], dict[int, list[str]]]:
    """Tokenises predictions and references alike, by whichever tokeniser there is; only the references are cached.

    Args:
        predictions, references: captions as written.
        cache_dir: as of `tokenize`.
        tokenizer: `ptb`, for English, or `words`, which parts any language as the vocabulary does.
    """
    captions = {i: [caption] for i, caption in predictions.items()}
    if tokenizer == "words":
        hypotheses, tokenized = word_tokenize(captions), word_tokenize(references)
    else:
        _hint_at_words(references)
        try:
            hypotheses, tokenized = ptb_tokenize(captions), ptb_tokenize(references, cache_dir)
        except Unavailable as error:
            _warn(error)
            hypotheses, tokenized = plain_tokenize(captions), plain_tokenize(references)
    return {i: caption for i, (caption,) in hypotheses.items()}, tokenized


def require_tokenizer(name: str) -> None:
    """Raises UserError where there is no such tokeniser."""
    if name not in get_args(Tokenizer):
        raise UserError(f"metrics.tokenizer is {name!r}: set it to one of {', '.join(get_args(Tokenizer))}")


def word_tokenize(captions: Captions) -> dict[int, list[str]]:
    """Tokenises as the vocabulary does: the same in every language, and without Java."""
    return {i: [" ".join(words(caption)) for caption in group] for i, group in captions.items()}


def _hint_at_words(references: Captions) -> None:
    """Warns once where the references are of a language that the Penn Treebank's rules are not made for."""
    captions = [caption for group in islice(references.values(), 1000) for caption in group]
    tokens = [token for caption in captions for token in caption.split()]
    foreign = sum(any(letter.isalpha() and not letter.isascii() for letter in token) for token in tokens)
    if foreign > _FOREIGN * len(tokens):
        warn_once(
            f"{foreign / len(tokens):.0%} of the references' words have letters that English lacks: "
            "metrics.tokenizer=words parts captions of any language as the vocabulary does, where the Penn Treebank's "
            "rules are for English; METEOR, SPICE and BERTScore know English alone"
        )


def ptb_tokenize(captions: Captions, cache_dir: Path | None = None) -> dict[int, list[str]]:
    """Tokenises as `tokenize` does, by Java alone; raises Unavailable."""
    lines = {i: [" ".join(composed(caption).split()) for caption in captions[i]] for i in sorted(captions)}
    if cache_dir is None:
        tokenized = _run_java([line for group in lines.values() for line in group])
    else:
        tokenized = _cached(lines, Path(cache_dir))
    remaining = iter(tokenized)
    by_id = {i: [next(remaining) for _ in group] for i, group in lines.items()}
    return {i: by_id[i] for i in captions}


def plain_tokenize(captions: Captions) -> dict[int, list[str]]:
    """Tokenises without Java: lower case, contractions split as in the Penn Treebank (`do n't`), punctuation removed.

    It differs from `ptb_tokenize` in rare cases (abbreviations, brackets, currency), so scores are comparable among
    themselves and not with published ones.
    """
    return {i: [_plain(caption) for caption in group] for i, group in captions.items()}


def _plain(caption: str) -> str:
    tokens = _WORD.findall(composed(caption).lower().replace("’", "'").replace("cannot", "can not"))
    contractions = ((token, _CONTRACTION.fullmatch(token)) for token in tokens)
    return " ".join(" ".join(match.groups()) if match else token for token, match in contractions)


def _warn(error: Unavailable) -> None:
    warn_once(f"captions are tokenised without Java, so scores differ a little from published ones: {error}")


def _cached(lines: dict[int, list[str]], cache_dir: Path) -> list[str]:
    digest = hashlib.sha256(json.dumps(list(lines.values())).encode()).hexdigest()
    flat = [line for group in lines.values() for line in group]
    return kept(cache_dir / f"ptb-{digest}.json", partial(_load, len(flat)), lambda: _run_java(flat), save_json)


def _load(number: int, path: Path) -> list[str]:
    """Reads tokenised captions; ValueError where they are others than so many texts."""
    content = load_json(path)
    if not isinstance(content, list) or len(content) != number or not all(isinstance(line, str) for line in content):
        raise ValueError(f"it has no list of {number} texts")
    return content


def _run_java(lines: list[str]) -> list[str]:
    jar = PYCOCOEVALCAP / "tokenizer" / STANFORD_CORENLP_3_4_1_JAR
    command = [find_java(), *ENGLISH, "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer"]
    command += ["-preserveLines", "-lowerCase", "-encoding", "utf-8"]
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    try:
        out = subprocess.run(command, input=text, capture_output=True, check=True, timeout=_TIMEOUT).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"the Java tokeniser failed ({error})", "check that `java -version` works") from error
    tokenized = out.decode().split("\n")[:-1]
    if len(tokenized) != len(lines):
        reason = f"the Java tokeniser returned {len(tokenized)} lines for {len(lines)} captions"
        raise Unavailable(reason, "report the captions that cause it")
    return [_without_punctuation(line) for line in tokenized]


def _without_punctuation(line: str) -> str:
    tokens = [token for token in line.rstrip().split(" ") if token not in PUNCTUATIONS]
    return " ".join(token for token in tokens if token.isascii() or not _PUNCTUATION.fullmatch(token))
