"""`python -m src.app ckpt=PATH`: one's own photos, explained in a browser."""

import logging
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig

from whysaid.assemble import open_subject
from whysaid.assemble.inpainting import TrainedInpainter
from whysaid.assemble.subject import Subject
from whysaid.data.inpainting.filling import fill_biharmonic
from whysaid.data.instances import Detector
from whysaid.doors.cli import door
from whysaid.doors.command_line import require_checkpoint
from whysaid.errors import UserError
from whysaid.run.interrupted import STOP

EXAMPLES = ("chelsea.png", "coffee.png", "astronaut.png")
"""Photos of scikit-image, in the public domain or under CC0."""


@door("app")
def main(config: DictConfig) -> None:
    """Listens until Ctrl-C or SIGTERM, and then leaves nothing behind unless `keep` names a folder."""
    if find_spec("gradio") is None:
        raise UserError("the app needs Gradio: pip install 'whysaid[app]'")
    require_checkpoint(config)
    require_free(config.host, config.port)
    for which in STOP:
        signal.signal(which, signal.default_int_handler)  # Gradio ends in an orderly way by Ctrl-C
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Gradio calls itself
    pl.seed_everything(config.seed, verbose=False)
    subject: Subject = open_subject(config.ckpt, config.get("decoding"), config)
    inpaint = fill_biharmonic if config.inpainter is None else TrainedInpainter(config.inpainter)
    detector: Detector | None = None if config.get("detector") is None else instantiate(config.detector)
    with uploads(kept_in(config)) as folder:
        from whysaid.app.acts import Acts
        from whysaid.app.filling import Filling
        from whysaid.app.page import CSS, THEME, build_page

        acts = Acts(subject, Filling(inpaint), folder, config.support.doubtful, detector)
        page = build_page(acts, examples())
        page.queue(max_size=config.waiting, default_concurrency_limit=1)
        print(f"open http://{config.host}:{config.port} in a browser; Ctrl-C ends the app", flush=True)
        page.launch(
            server_name=config.host,
            server_port=config.port,
            max_file_size=f"{config.largest_upload}mb",
            allowed_paths=[folder],
            css=CSS,
            theme=THEME,
            quiet=True,
            share=False,
            enable_monitoring=False,
            footer_links=[],
        )


def examples() -> list[str]:
    """The paths of the photos to begin with."""
    folder = Path(str(files("skimage") / "data"))
    return [str(folder / name) for name in EXAMPLES if (folder / name).is_file()]


def kept_in(config: DictConfig) -> str | None:
    """The folder that `keep` names; `true` is the one of the app among the run directories, and `false` none."""
    keep = str(config.keep)  # it is taken as typed, for it is a path
    if keep.lower() == "true":
        return str(Path(config.paths.output_dir) / "app")
    return None if config.keep is None or keep.lower() == "false" else keep


@contextmanager
def uploads(keep: str | None) -> Iterator[str]:
    """Gives the folder of uploads: `keep`, or one that is removed in the end."""
    if keep is not None:
        Path(keep).mkdir(parents=True, exist_ok=True)
        os.environ["GRADIO_TEMP_DIR"] = keep
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="whysaid") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # read when Gradio is imported
        yield folder


def require_free(host: str, port: int) -> None:
    """Raises UserError where nobody could listen at the port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            raise UserError(f"cannot listen at {host}:{port} ({error}): give another port=") from None
