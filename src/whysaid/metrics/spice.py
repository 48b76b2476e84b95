"""SPICE, by its own Java program, and the parser it needs.

The program is pycocoevalcap's, called directly: its wrapper writes into the installed package and fails on Java 15
and later, which lack a JavaScript engine (Nashorn, fetched here) and close the JDK's own packages to reflection.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from filelock import FileLock
from pycocoevalcap.spice.get_stanford_models import get_stanford_models

from whysaid.data.files.kept import can_be_written
from whysaid.data.files.whole import replaced
from whysaid.errors import UserError
from whysaid.metrics.java import ENGLISH, PYCOCOEVALCAP, cause, find_java
from whysaid.metrics.score import Hypotheses, References, Score, Unavailable, warn_once

_SPICE = PYCOCOEVALCAP / "spice"
_CORENLP = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
_OPENED = ("lang", "math", "net", "text", "util", "util.concurrent")
_SHA256 = {
    "stanford-corenlp-3.6.0.jar": "d341d5863276f55782c5ef73212222d6b3b48e02ae1951ab6de7618d28b12742",
    "stanford-corenlp-3.6.0-models.jar": "d285157bd7887ee3018094b5dbae092e49088b023361ccdb550ee1daf9b2c9bd",
    "nashorn-core-15.4.jar": "6f816e84dfd63a81d4eaa7829c08337bbaff3ec683ff3bf6bbd90d017a00dc6f",
    "asm-7.3.1.jar": "2f67e11ceec819ebd88ddee5300aba699b1cbab2e20c22e97cf027d3be93959b",
    "asm-analysis-7.3.1.jar": "46b8a8efd4b94facb5ab4b35afe30ee0546ae7a43d2c64e6def56c2f168fefa5",
    "asm-commons-7.3.1.jar": "87cd8bb3c6bf6bcbb33fca48060c5065f66ebf6a3d7de9bf18bff51bcf156ebc",
    "asm-tree-7.3.1.jar": "f91a4a8aa868c5c4665bb4fd134019a91f9f8b9216527fba295e3c8b5422b78b",
    "asm-util-7.3.1.jar": "182128592742ed4883ac82bf205f137b6bfbe1234c68e6feb13759e75a85b729",
}
_ALONE = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
_POM = f"""<project><modelVersion>4.0.0</modelVersion>
<groupId>whysaid</groupId><artifactId>spice</artifactId><version>1</version><dependencies>
<dependency><groupId>edu.stanford.nlp</groupId><artifactId>stanford-corenlp</artifactId><version>3.6.0</version>
{_ALONE}</dependency>
<dependency><groupId>edu.stanford.nlp</groupId><artifactId>stanford-corenlp</artifactId><version>3.6.0</version>
<classifier>models</classifier>{_ALONE}</dependency>
<dependency><groupId>org.openjdk.nashorn</groupId><artifactId>nashorn-core</artifactId><version>15.4</version>
</dependency></dependencies></project>"""


class SPICE:
    """SPICE (Anderson et al. 2016): F-score of scene-graph tuples, mean over images; 0–1.

    Args:
        folder: where `fetch_corenlp` put the parser; None is its default.
        cache_dir: where parses are kept between calls (48 s become 3 s for 400 images); None keeps nothing.
        timeout: seconds that a call may take before it is given up.
    """

    names = ("SPICE",)

    def __init__(self, folder: Path | None = None, cache_dir: Path | None = None, timeout: float = 14400.0):
        self.folder = _folder(folder)
        self.cache_dir = cache_dir
        self.timeout = timeout

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        java = find_java()
        if not _fetched(self.folder):
            raise Unavailable("CoreNLP 3.6.0 is not there", "fetch it with `python -m src.prepare metrics=spice`")
        items = [{"image_id": i, "test": h, "refs": list(references[i])} for i, h in hypotheses.items()]
        cache_dir = self.cache_dir if self.cache_dir is not None and can_be_written(Path(self.cache_dir)) else None
        try:
            results = self._run(java, items, cache_dir)
        except Unavailable as error:
            # The cache is a memory-mapped database in native code, which some machines and file systems refuse.
            if cache_dir is None:
                raise
            warn_once(f"SPICE runs without its cache of parses: {error.reason}")
            results = self._run(java, items, None)
        per_image = {item["image_id"]: float(item["scores"]["All"]["f"]) for item in results}
        return {"SPICE": Score(sum(per_image.values()) / len(per_image), per_image)}

    def _run(self, java: str, items: list[dict], cache_dir: Path | None) -> list[dict]:
        with tempfile.TemporaryDirectory() as scratch:
            captions, scores = Path(scratch) / "captions.json", Path(scratch) / "scores.json"
            captions.write_text(json.dumps(items), encoding="utf-8")
            classes = os.pathsep.join(map(str, (_SPICE / "spice-1.0.jar", _SPICE / "lib" / "*", self.folder / "*")))
            command = [java, *ENGLISH, "-Xmx8G", "-cp", classes, "edu.anu.spice.SpiceScorer", str(captions)]
            command += ["-out", str(scores), "-silent"]
            if cache_dir is not None:
                command += ["-cache", str(cache_dir)]
            try:
                ran = subprocess.run(command, capture_output=True, env=_environment(), timeout=self.timeout)
            except subprocess.TimeoutExpired as error:
                raise Unavailable(f"SPICE took over {self.timeout:.0f} s", "raise its `timeout`") from error
            if ran.returncode != 0 or not scores.exists():
                raise Unavailable(
                    f"SPICE's Java process failed ({_complaint(ran)})",
                    "see that Java 8 to 21 and 8 GB of memory are there",
                )
            return json.loads(scores.read_text(encoding="utf-8"))


def fetch_corenlp(folder: Path | str | None = None) -> Path:
    """Puts CoreNLP 3.6.0, its models (378 MB) and Nashorn where SPICE looks; nothing happens if they are there.

    By the `mvn` client, checked against known sums; without it by pycocoevalcap's own download, which lacks Nashorn
    and so serves Java 8 to 14 only. A jar appears under its name when it is whole and right, not before.

    Args:
        folder: where to; None is the `lib` folder of pycocoevalcap's SPICE.

    Returns:
        The folder.
    """
    folder = _folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "corenlp.lock"), tempfile.TemporaryDirectory(dir=folder) as scratch:
            if not _fetched(folder):
                jars = _fetch_by_maven(Path(scratch)) if shutil.which("mvn") else _fetch_from_stanford()
                for jar in jars:
                    with replaced(folder / jar.name) as partial:
                        shutil.move(jar, partial)
    except OSError as error:
        raise UserError(f"SPICE's parser could not be put in {folder} ({error}): name another `folder`") from error
    return folder


def _folder(folder: Path | str | None) -> Path:
    return _SPICE / "lib" if folder is None else Path(folder)


def _fetched(folder: Path) -> bool:
    return all((folder / name).exists() for name in _CORENLP)


def _fetch_by_maven(scratch: Path) -> list[Path]:
    pom = scratch / "pom.xml"
    pom.write_text(_POM, encoding="utf-8")
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={scratch}"]
    ran = subprocess.run(command, capture_output=True)
    if ran.returncode != 0:
        raise UserError(f"Maven could not fetch SPICE's parser ({_complaint(ran)}): check the network and run it again")
    for name, expected in _SHA256.items():
        with (scratch / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise UserError(f"{name} as Maven fetched it is damaged: delete it from ~/.m2 and run this again")
    # The models come last: two jars in place mean that all are.
    return [scratch / name for name in (*[n for n in _SHA256 if n not in _CORENLP], *_CORENLP)]


def _fetch_from_stanford() -> list[Path]:
    jars = [_SPICE / "lib" / name for name in _CORENLP]
    try:
        get_stanford_models()
        for jar in jars:
            with ZipFile(jar) as archive:
                if archive.testzip() is not None:
                    raise BadZipFile(f"{jar.name} is damaged")
    except (OSError, BadZipFile) as error:
        for jar in jars:
            jar.unlink(missing_ok=True)
        raise UserError(
            f"SPICE's parser could not be downloaded ({error}): install Maven or check the network"
        ) from error
    return jars


def _environment() -> dict[str, str]:
    """Allows reflection on the JDK's packages, by the one variable that Java 8, which needs none of it, ignores."""
    opened = " ".join(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _OPENED)
    return {**os.environ, "JDK_JAVA_OPTIONS": f"{os.environ.get('JDK_JAVA_OPTIONS', '')} {opened}".strip()}


def _complaint(ran: subprocess.CompletedProcess[bytes]) -> str:
    """The line that looks like the cause."""
    return cause((ran.stderr + b"\n" + ran.stdout).decode(errors="replace")) or f"exit status {ran.returncode}"
