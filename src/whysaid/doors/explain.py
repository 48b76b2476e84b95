"""`python -m src.explain ckpt=PATH image=FILE_OR_FOLDER`: shows what each word said of a photo rests on."""

import sys
from pathlib import Path

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from whysaid.assemble import stored_builder
from whysaid.assemble.subject import Subject
from whysaid.attribution.sentence import explain_sentence
from whysaid.attribution.together import chosen
from whysaid.counterfactual.importance import Importance
from whysaid.data.images import load_image
from whysaid.data.instances import annotated_objects
from whysaid.doors.cli import door
from whysaid.errors import UserError
from whysaid.report.album import Album
from whysaid.run.config_file import resolved, run_dir, save_config

OPTIONS = ("caption", "question", "answer")
"""Keys of the configuration that only one kind of model takes."""


@door("explain")
def main(config: DictConfig) -> None:
    """Writes `report.html`, `explanations.json`, pictures and maps of every photo that can be read."""
    folder = run_dir()
    pl.seed_everything(config.seed, verbose=False)
    paths = photos(Path(config.image))
    subject: Subject = stored_builder(config.ckpt, "build_subject")(config.ckpt, config.get("decoding"))
    options = {name: config[name] for name in OPTIONS}
    subject.require_options(options)
    look = subject.asking(**{name: options[name] for name in subject.options})
    methods = chosen(config.get("attribution"), HydraConfig.get().runtime.choices.get("attribution", ""))
    importance: Importance | None = instantiate(config.counterfactual) if config.importance else None
    save_config(resolved(config), folder)
    album = Album(folder, config.largest_map, config.same_range)
    for path in tqdm(paths, desc="explaining", unit="photo", disable=None):
        try:
            photo = load_image(path)
        except UserError as error:
            album.skip(str(error))
            continue
        try:
            sentence = look(photo)
        except UserError as error:
            album.skip(f"{path}: {error}")
            continue
        try:
            maps = explain_sentence(subject.model, sentence, methods, album.map_size(photo))
            effects = None if importance is None else importance(subject.writer, photo, annotated_objects(path))
        except UserError as error:
            if not album.records:
                raise  # what fails for the first photo is not the photo's fault
            album.skip(f"{path}: {error}")
            continue
        album.add(path, photo, sentence, maps, effects)
    if not album.records:
        sys.exit(f"error: none of the photos can be explained; {album.skipped[0]}")
    album.finish(subject.checkpoint)
    for record in album.records:
        print(f"{record['image']}: {' '.join(record['words'])}")
    for message in album.skipped:
        print(f"skipped: {message}")
    print(f"open {folder / 'report.html'} in a browser")
    print(folder)


def photos(path: Path) -> list[Path]:
    """Lists the file itself, or the files of a folder in order of name; UserError where there is none."""
    if path.is_file():
        return [path]
    files = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else []
    if not files:
        raise UserError(f"there is no photo {path}: give image= a file, or a folder that holds some")
    return files
