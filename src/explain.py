"""`python -m src.explain ckpt=PATH image=FILE_OR_FOLDER`: what each word said of a photo rests on."""

import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from src.assemble.captioning import load_captioner
from src.attribution.attention import attend
from src.attribution.lrp import LRP
from src.attribution.targets import Targets
from src.data.batch import CaptionBatch
from src.data.captions import words
from src.data.images import load_image
from src.data.vocabulary import Vocabulary
from src.data.whole import write_whole
from src.door import door, run_dir, save_config
from src.errors import UserError
from src.figures.canvas import save
from src.figures.word_strip import word_strip
from src.models.captioner import Captioner
from src.tasks.writer import Writer

log = logging.getLogger(__name__)


@door("explain")
def main(config: DictConfig) -> None:
    """Write `figures/<photo>_*.png`, `<photo>.npz` (maps) and `explanations.json` for every photo that can be read."""
    folder = run_dir()
    pl.seed_everything(config.seed, verbose=False)
    save_config(config, folder)
    captioner, checkpoint = load_captioner(config.ckpt)
    if captioner.encoder.grid is None:
        raise UserError(f"{config.ckpt} sees bottom-up regions, not photos: explain a captioner with another encoder")
    decoding = instantiate(config.get("decoding") or checkpoint.config["decoding"])
    writer = Writer(captioner, checkpoint.vocabulary, decoding)
    given = None if config.caption is None else known_words(config.caption, checkpoint.vocabulary)
    method: LRP | None = instantiate(config.attribution) if config.get("attribution") else None
    records, unreadable = [], []
    for path in tqdm(photos(Path(config.image)), desc="explaining", unit="photo", disable=None):
        try:
            records.append(explain(writer, method, path, load_image(path), given, folder))
        except UserError as error:
            unreadable.append(str(error))
    name = HydraConfig.get().runtime.choices.get("attribution")
    about = {"checkpoint": str(checkpoint.path), "sha256": digest(checkpoint.path), "method": name or "attention"}
    write_whole(folder / "explanations.json", json.dumps({**about, "explanations": records}, indent=1))
    for record in records:
        print(f"{record['image']}: {' '.join(record['words'])}")
    print(*(f"skipped: {message}" for message in unreadable), sep="\n", end="\n" if unreadable else "")
    print(folder)
    if not records:
        sys.exit("error: none of the photos can be read")


def explain(
    writer: Writer, method: LRP | None, path: Path, photo: Image.Image, given: list[str] | None, folder: Path
) -> dict[str, Any]:
    """Caption one photo (or take the given words), draw and store its maps; returns its record."""
    captioner = writer.captioner
    assert isinstance(captioner, Captioner)
    pixels = captioner.encoder.preprocessing(photo).unsqueeze(0)
    batch = CaptionBatch(torch.zeros(1, dtype=torch.int64), torch.zeros(1, 1, 2, dtype=torch.int64), images=pixels)
    with torch.no_grad():
        said = given or writer.caption(batch)[0].split()
    (attended,) = attend(captioner, batch, [said], writer.vocabulary)
    name, seen = unused(folder, path.stem), np.asarray(photo) / 255
    figures = {"attention": word_strip(seen, said, attended.maps, sentinel=attended.sentinel)}
    maps = {"attention": attended.maps}
    record: dict[str, Any] = {"image": str(path), "words": said, "sentinel": attended.sentinel, "maps": f"{name}.npz"}
    if method is not None:
        explanation = method.attribute(captioner, batch, Targets(said_tokens(said, writer.vocabulary)))
        assert explanation.pixels is not None
        maps["relevance"] = explanation.pixels[0].sum(1).numpy()
        figures["relevance"] = word_strip(seen, said, maps["relevance"], signed=True, quantity="relevance")
        record |= {"word_relevance": explanation.words[0].tolist(), "residual": explanation.residual[0].tolist()}
    for kind, figure in figures.items():
        save(figure, folder / "figures" / f"{name}_{kind}.png")
    np.savez_compressed(folder / f"{name}.npz", **maps)  # type: ignore[arg-type]
    return record | {"figures": [f"figures/{name}_{kind}.png" for kind in figures]}


def said_tokens(said: list[str], vocabulary: Vocabulary) -> Tensor:
    """(1, T) int64 of the words alone, without `<start>` and `<end>`."""
    return torch.tensor([vocabulary.encode(said)[1:-1]])


def photos(path: Path) -> list[Path]:
    """The file itself, or the files of a folder in order of name; UserError where there is none."""
    if path.is_file():
        return [path]
    found = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else []
    if not found:
        raise UserError(f"there is no photo {path}: give image= a file, or a folder that holds some")
    return found


def known_words(caption: str, vocabulary: Vocabulary) -> list[str]:
    """The words of a caption; UserError where it has none, or one that the captioner does not know."""
    found = words(caption)
    unknown = [word for word in found if word not in vocabulary]
    if unknown or not found:
        what = f"the word {unknown[0]!r} is not in the captioner's vocabulary" if unknown else "the caption is empty"
        raise UserError(f"{what}: use words that its training captions hold")
    return found


def unused(folder: Path, stem: str) -> str:
    """The stem, numbered where an earlier photo of another format had the same one."""
    taken, number = stem, 1
    while (folder / f"{taken}.npz").exists():
        taken, number = f"{stem}_{number}", number + 1
    return taken


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
