"""One tokeniser for references and hypotheses: half a BLEU is lost between two.

The Penn Treebank tokeniser of the COCO evaluation (Chen et al. 2015), lower-cased, its punctuation removed. It works
line by line, so every line break that Unicode knows is turned into a space first, and the count of lines is checked.
"""

import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS, STANFORD_CORENLP_3_4_1_JAR

from whysaid.metrics.java import PYCOCOEVALCAP, find_java
from whysaid.metrics.score import Unavailable, warn_once

Captions = Mapping[int, Sequence[str]]
"""image id → captions as written."""

_WORD = re.compile(r"[^\W_]+(?:(?:[-'./&]|(?<=\d)[:,](?=\d))[^\W_]+)*")
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
    predictions: Mapping[int, str], references: Captions, cache_dir: Path | None = None
) -> tuple[dict[int, str], dict[int, list[str]]]:
    """Predictions and references by the same tokeniser, whichever there is; only the references are cached."""
    captions = {i: [caption] for i, caption in predictions.items()}
    try:
        hypotheses, tokenized = ptb_tokenize(captions), ptb_tokenize(references, cache_dir)
    except Unavailable as error:
        _warn(error)
        hypotheses, tokenized = plain_tokenize(captions), plain_tokenize(references)
    return {i: caption for i, (caption,) in hypotheses.items()}, tokenized


def ptb_tokenize(captions: Captions, cache_dir: Path | None = None) -> dict[int, list[str]]:
    """As `tokenize`, by Java alone; raises Unavailable."""
    lines = {i: [" ".join(caption.split()) for caption in captions[i]] for i in sorted(captions)}
    if cache_dir is None:
        tokenized = _run_java([line for group in lines.values() for line in group])
    else:
        tokenized = _cached(lines, Path(cache_dir))
    remaining = iter(tokenized)
    by_id = {i: [next(remaining) for _ in group] for i, group in lines.items()}
    return {i: by_id[i] for i in captions}


def plain_tokenize(captions: Captions) -> dict[int, list[str]]:
    """Without Java: lower case, contractions split as in the Penn Treebank (`do n't`), punctuation removed.

    It differs from `ptb_tokenize` in rare cases (abbreviations, brackets, currency), so scores are comparable among
    themselves and not with published ones.
    """
    return {i: [_plain(caption) for caption in group] for i, group in captions.items()}


def _plain(caption: str) -> str:
    words = _WORD.findall(caption.lower().replace("’", "'").replace("cannot", "can not"))
    contractions = ((word, _CONTRACTION.fullmatch(word)) for word in words)
    return " ".join(" ".join(match.groups()) if match else word for word, match in contractions)


def _warn(error: Unavailable) -> None:
    warn_once(f"captions are tokenised without Java, so scores differ a little from published ones: {error}")


def _cached(lines: dict[int, list[str]], cache_dir: Path) -> list[str]:
    digest = hashlib.sha256(json.dumps(list(lines.values())).encode()).hexdigest()
    path = cache_dir / f"ptb-{digest}.json"
    if path.exists():
        return json.loads(path.read_text())
    tokenized = _run_java([line for group in lines.values() for line in group])
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=cache_dir, delete=False) as file:
        json.dump(tokenized, file)
    Path(file.name).replace(path)
    return tokenized


def _run_java(lines: list[str]) -> list[str]:
    jar = PYCOCOEVALCAP / "tokenizer" / STANFORD_CORENLP_3_4_1_JAR
    command = [find_java(), "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer"]
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
    return " ".join(word for word in line.rstrip().split(" ") if word not in PUNCTUATIONS)
