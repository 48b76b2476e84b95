"""`python -m src.explain ckpt=PATH image=FILE_OR_FOLDER`: shows what each word said of a photo rests on."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from PIL import Image
from tqdm import tqdm

from whysaid.assemble import open_subject
from whysaid.assemble.removal import build_removal
from whysaid.assemble.subject import Subject
from whysaid.attribution.method import Method
from whysaid.attribution.sentence import Sentence, explain_sentence
from whysaid.attribution.together import chosen
from whysaid.data.files.folder import visible_files
from whysaid.data.images import load_image
from whysaid.doors.cli import door
from whysaid.doors.command_line import require_checkpoint, require_given
from whysaid.errors import UserError
from whysaid.report.album import Album
from whysaid.run.config_file import resolved, run_dir, save_config
from whysaid.run.interrupted import Interrupted
from whysaid.run.printable import printable

log = logging.getLogger(__name__)

OPTIONS = ("caption", "prompt", "question", "answer")
"""Keys of the configuration that only one kind of model takes."""


@door("explain")
def main(config: DictConfig) -> None:
    """Writes `report.html`, `explanations.json`, pictures and maps of every photo that can be read."""
    require_checkpoint(config)
    require_given(config, "image", "give a photo, or a folder of photos, as in image=my_photo.jpg")
    if config.largest_map is not None and (not isinstance(config.largest_map, int) or config.largest_map < 1):
        raise UserError(f"largest_map={config.largest_map}: a number of pixels belongs here, 1 at least, or null")
    folder = run_dir()
    pl.seed_everything(config.seed, verbose=False)
    paths = photos(Path(config.image))
    subject: Subject = open_subject(config.ckpt, config.get("decoding"), config)
    options = {name: config[name] for name in OPTIONS}
    subject.require_options(options)
    look = subject.asking(**{name: options[name] for name in subject.options})
    methods = chosen(config.get("attribution"), HydraConfig.get().runtime.choices.get("attribution", ""))
    removal = build_removal(config, len(paths))
    save_config(resolved(config), folder)
    album = Album(
        folder, config.largest_map, config.same_range, config.support.doubtful, keep_pictures=config.mask is not None
    )
    try:
        for path in tqdm(paths, desc="explaining", unit="photo", disable=None):
            try:
                photo = load_image(path)
                sentence = look(photo)
            except UserError as error:
                album.skip(str(error) if str(path) in str(error) else f"{path}: {error}")
                continue
            try:
                if len(methods) > 1 and not album.records:
                    _announce(album, photo, sentence, methods, len(paths))
                maps = explain_sentence(subject.model, sentence, methods, album.map_size(photo, sentence))
                methods = {name: method for name, method in methods.items() if name in maps}  # those that apply
                effects = None if removal is None else removal(subject.writer, path, photo)
            except UserError as error:
                if not album.records:
                    raise  # what fails for the first photo is not the photo's fault
                album.skip(f"{path}: {error}")
                continue
            album.add(path, photo, subject.with_support(sentence, maps), maps, effects)
            _print_record(album.records[-1])
    except Interrupted as stop:
        if album.records:
            album.finish(subject.checkpoint)
            _explain_end(stop, album, len(paths))
        raise
    if not album.records:
        sys.exit(printable(f"error: none of the photos can be explained; {album.skipped[0]}"))
    album.finish(subject.checkpoint)
    for message in album.skipped:
        print(f"skipped: {printable(message)}")
    print(f"open {folder / 'report.html'} in a browser")
    print(folder)


def _announce(album: Album, photo: Image.Image, sentence: Sentence, methods: Mapping[str, Method], photos: int) -> None:
    """Says how much the maps of many methods will take on the disk, before any is computed."""
    names = {*sentence.beside, *methods}
    megabytes = album.megabytes(photo, sentence, len(names))
    log.info(
        "up to %d methods, %d words: %.1f MB of maps of the first photo before they are compressed, and so about "
        "%.1f MB of %d; attribution=NAME writes one method, largest_map= smaller maps",
        *(len(names), len(sentence.said), megabytes, megabytes * photos, photos),
    )


def _print_record(record: Mapping[str, Any]) -> None:
    """Prints what is said of a photo, above the progress bar."""
    lines = [f"{record['image']}: {' '.join(record['words'])}"]
    if record["remark"]:
        lines.append(f"    {record['remark']}")
    if record.get("doubtful"):
        lines.append(f"  doubtful: {', '.join(record['doubtful'])}")
    for line in lines:
        tqdm.write(printable(line), file=sys.stdout)
    sys.stdout.flush()


def _explain_end(stop: Interrupted, album: Album, photos: int) -> None:
    """Says what stays of photos that were explained before a signal came."""
    report = album.folder / "report.html"
    print(f"{stop.by.name}: ended early; {report} has {len(album.records)} of {photos} photos", file=sys.stderr)
    stop.explained = True


def photos(path: Path) -> list[Path]:
    """Lists the file itself, or the files of a folder, but for hidden ones; UserError where there is none."""
    if path.is_file():
        return [path]
    files = visible_files(path) if path.is_dir() else []
    if not files:
        raise UserError(f"there is no photo {path}: give image= a file, or a folder that holds some")
    return files
