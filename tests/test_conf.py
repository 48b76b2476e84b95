"""Every file of conf/ is composed, and what it names is built."""

import inspect
import logging.config
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from tests.running import composed
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.inpainting.discriminator import Discriminator
from whysaid.models.inpainting.generator import Generator
from whysaid.models.transformers.tuning import Tuning
from whysaid.run.conf import CONF

ROOT = Path(CONF)
FILES = {str(path.relative_to(ROOT).with_suffix("")): path for path in sorted(ROOT.rglob("*.yaml"))}
DOORS = ("train", "evaluate", "explain", "prepare", "app")
UNFINISHED = ("data/captions", "data/questions", "data/inpainting")
"""What several data sets share: they need a name and a source."""
SIZED = ("model/blip", "model/vilt")
"""Models that see by an encoder of their own."""

HOLES = ("data/inpainting_scenes", "data/inpainting_coco", "data/celeba", "data/image_folder")
"""Data of the inpainting GAN."""


INSIDE = {
    "decoding/contrast/absent": ("decoding/contrast/absent", ["decoding/contrast=vcd"]),
    "objective/relevance": ("objective/relevance", ["objective=lrp"]),
    "fill": ("fill@data.removal.fill", ["objective=counterfactual", "ckpt=any"]),
}
"""Groups that stand inside of a choice of another: how one is chosen, and the choices around it."""


def groups(door: str) -> set[str]:
    """The groups in a door's defaults list."""
    if door not in FILES:
        return set()
    keys = [key for entry in OmegaConf.load(FILES[door]).defaults if isinstance(entry, DictConfig) for key in entry]
    return {str(key).split()[-1] for key in keys}


def opened(name: str, folder: Path) -> tuple[str, DictConfig]:
    """The group of a file, and a configuration of the first door that takes the group, with the file chosen."""
    group, _, choice = name.rpartition("/")
    if group.startswith("experiment/"):
        group, choice = "experiment", name.removeprefix("experiment/")
    extra = ["ckpt=any"]
    if group in INSIDE:
        chosen_by, around = INSIDE[group]
        config = composed("train", folder, *around, f"{chosen_by}={choice}", f"paths.data_dir={folder}")
        return chosen_by.rpartition("@")[2].replace("/", "."), config
    if group == "data/masks":
        door, extra = "train", ["experiment=deepfill_coco"]
    elif choice == "checkpoint":
        door = "evaluate"
    elif name == "metrics/spice" or group == "files":
        door, extra = "prepare", [f"data={choice}"] if group == "files" else []
    else:
        door = next(door for door in DOORS if group in groups(door))
    if name in ("study/finetuning", "study/hallucination"):  # the checkpoint's data bring them
        extra.append("metrics.object_words=null")
    if name == "model/pretrained":
        extra.append("experiment=blip_coco")
    if name in HOLES:  # the default experiment has settings for captions
        extra.append("experiment=deepfill_celeba")
    if name in SIZED:  # the default experiment has sizes of other models
        extra.append(f"experiment={choice}_scenes")
    chosen = [] if group == "files" else [f"{group}={choice}"]
    needed = ["data.name=any", "data.source=any"] if name in UNFINISHED else []
    return group, composed(door, folder, *chosen, *extra, *needed, f"paths.data_dir={folder}")


CHOICES = [name for name in FILES if "/" in name]


@pytest.mark.parametrize("name", FILES)
def test_every_file_says_something(name: str) -> None:
    assert OmegaConf.load(FILES[name])


@pytest.mark.parametrize("door", [door for door in DOORS if door in FILES])
def test_every_door_composes(door: str, tmp_path: Path) -> None:
    config = composed(door, tmp_path, *([] if door in ("train", "prepare") else ["ckpt=any"]))
    assert OmegaConf.to_container(config, resolve=False)


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_built(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    fetched: list[Any] = []
    monkeypatch.setattr("whysaid.metrics.spice.fetch_corenlp", lambda folder: fetched.append(folder))
    if name == "logger/tensorboard":
        pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    group, config = opened(name, tmp_path)
    BUILD.get(group, build)(config, group)
    assert fetched == ([None] if name == "metrics/spice" else [])


def build(config: DictConfig, group: str) -> Any:
    """Whatever in the group's node has a target; a group without one (paths, debug) only composes."""
    node = OmegaConf.select(config, group.replace("/", "."))
    return instantiate(node) if node is not None else OmegaConf.to_container(config, resolve=False)


def build_data(config: DictConfig, group: str) -> None:
    if "_target_" in config.data and OmegaConf.is_dict(config.data.source):
        data = instantiate(config.data)
        assert data.source.read and data.batch_size >= 1


def build_encoder(config: DictConfig, group: str) -> None:
    if "weights" in config.encoder:
        config.encoder.weights = None
    with torch.device("meta"):  # shapes without numbers: nothing to draw or to hold
        encoder: Encoder = instantiate(config.encoder)
    assert encoder.dim > 0 and encoder.preprocessing.size > 0


def build_model(config: DictConfig, group: str) -> None:
    if "generator" in config.model:
        with torch.device("meta"):
            model = instantiate(config.model)
        assert isinstance(model.generator, Generator) and isinstance(model.discriminator, Discriminator)
        return
    make = instantiate(config.model)
    if "Sized" in config.model._target_:
        sizes = {"answers": 7} if "Vilt" in config.model._target_ else {}
        model = make(encoder=instantiate(config.encoder), vocab_size=9, **sizes)
        assert model.embedding.num_embeddings == 9 and model.pretrained.num_parameters() > 0
        return
    if isinstance(make, Tuning):
        assert not make.by_lora
        return
    if "answers" in inspect.signature(make).parameters:
        assert make(encoder=RegionFeatures(8), vocab_size=9, answers=7).answer_layer.out_features == 7
        return
    captioner = make(encoder=RegionFeatures(8), vocab_size=9)
    assert isinstance(captioner, Captioner) and captioner.vocabulary_layer.out_features == 9


def build_optimizer(config: DictConfig, group: str) -> torch.optim.Optimizer:
    optimizer = instantiate(config.optimizer)([{"params": nn.Linear(2, 2).parameters()} for _ in range(2)])
    assert isinstance(optimizer, torch.optim.Optimizer)
    return optimizer


def build_scheduler(config: DictConfig, group: str) -> None:
    make: Callable[..., Any] = instantiate(config.scheduler)
    extra = {"steps": 100} if "steps" in inspect.signature(make).parameters else {}
    assert make(build_optimizer(config, group), **extra).state_dict()


def build_task(config: DictConfig, group: str) -> None:
    assert issubclass(instantiate(config.task).func, pl.LightningModule)


def build_trainer(config: DictConfig, group: str) -> None:
    """Where there is no GPU, one for GPUs cannot be built; its keys can be looked at."""
    settings = {name: value for name, value in config.trainer.items() if name != "_target_"}
    inspect.signature(pl.Trainer).bind(**settings)
    if settings["accelerator"] != "gpu" or torch.cuda.is_available():
        assert isinstance(instantiate(config.trainer, logger=False), pl.Trainer)


def build_logging(config: DictConfig, group: str, folder: Path | None = None) -> None:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    for path in (path for name, path in FILES.items() if name.startswith(f"{group}/")):
        written = OmegaConf.load(path)
        assert isinstance(written, DictConfig)
        if "file" in written.handlers:
            written.handlers.file.filename = "/dev/null"
        logging.config.dictConfig(OmegaConf.to_container(written))  # type: ignore[arg-type]
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


BUILD: dict[str, Callable[[DictConfig, str], Any]] = {
    "data": build_data,
    "encoder": build_encoder,
    "model": build_model,
    "optimizer": build_optimizer,
    "scheduler": build_scheduler,
    "task": build_task,
    "trainer": build_trainer,
    "hydra/job_logging": build_logging,
}


def test_a_debug_run_has_the_last_word(tmp_path: Path) -> None:
    config = composed("train", tmp_path, "debug=fast_dev_run", "logger=wandb")
    assert config.trainer.fast_dev_run is True and config.logger.wandb is None


def test_names_of_experiments() -> None:
    wanted = {f"{model}_{data}" for model in MODELS for data in ("scenes", "coco", "flickr8k", "flickr30k")}
    wanted |= {
        "gridtd_regions_coco",
        "aoa_regions_coco",
        "transformer_regions_coco",
        "saaa_scenes",
        "saaa_vqa1",
        "saaa_vqa2",
        "blip_scenes",
        "vilt_scenes",
    }
    wanted |= {"deepfill_scenes", "deepfill_coco", "deepfill_celeba"}
    assert wanted <= {name.removeprefix("experiment/") for name in FILES}


MODELS = ("soft", "adaptive", "gridtd", "aoa", "transformer")


@pytest.mark.parametrize("model", MODELS)
def test_an_experiment_is_the_model_in_its_name(model: str, tmp_path: Path) -> None:
    for data in ("scenes", "coco", "flickr8k", "flickr30k"):
        config = composed("train", tmp_path, f"experiment={model}_{data}")
        assert config.model._target_.split(".")[2] == model and config.data.name == data
        assert composed("train", tmp_path, f"experiment={model}_{data}", "model=soft").model._target_.endswith("Soft")
