"""What users get wrong ends in one line, and what the machine lacks costs no run."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb

from tests.running import FIGURES, SCENES, Ran, only, run_door
from whysaid.callbacks import media
from whysaid.checkpoint import checkpoint_path

pytestmark = pytest.mark.usefixtures("plain_tokens")


@pytest.fixture
def world(data_dir: Path, tmp_path: Path) -> Path:
    """A copy of the world that may be damaged."""
    shutil.copytree(data_dir / "scenes", tmp_path / "data" / "scenes")
    return tmp_path / "data" / "scenes"


def train(tmp_path: Path, *overrides: str) -> Ran:
    places = [f"paths.data_dir={tmp_path}/data", f"paths.output_dir={tmp_path}/outputs"]
    return run_door("train", *SCENES, *FIGURES, *places, *overrides)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pictures(world: Path, split: str = "train") -> list[Path]:
    return sorted((world / f"{split}2017").glob("*.png"))


def rewrite(world: Path, change: Callable[[dict[str, Any]], None], split: str = "train") -> None:
    """Applies a change to the caption file of a split."""
    path = world / "annotations" / f"captions_{split}2017.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def ended(tmp_path: Path) -> list[Path]:
    """What looks like the result of a run that did not fail."""
    return [*tmp_path.rglob("metrics.json"), *(tmp_path / "outputs").rglob("*.ckpt")]


# Pictures


@pytest.mark.parametrize("features", [False, True], ids=["pixels", "features"])
def test_a_truncated_picture_is_replaced_and_named(world: Path, tmp_path: Path, features: bool) -> None:
    broken = pictures(world)[3]
    truncate(broken)
    ran = train(tmp_path, "data.max_broken=0.02", f"task.tune_encoder={not features}")
    log = (ran.folder / "train.log").read_text()
    assert log.count(f"{broken} cannot be read") == 1
    assert (ran.folder / "checkpoints" / "best.ckpt").exists()


@pytest.mark.parametrize("features", [False, True], ids=["pixels", "features"])
def test_too_many_truncated_pictures(world: Path, tmp_path: Path, features: bool) -> None:
    broken = pictures(world)[5]
    truncate(broken)
    error = train(tmp_path, f"task.tune_encoder={not features}").error
    assert "1 of 80 images cannot be read, more than data.max_broken=0.01" in error
    assert f"the first is {broken}" in error
    assert not (tmp_path / "outputs" / "metrics.json").exists()


def test_a_missing_picture(world: Path, tmp_path: Path) -> None:
    lost = pictures(world)[0]
    lost.unlink()
    assert f"1 of 48 train images are missing, the first is {lost}" in train(tmp_path).error
    assert not ended(tmp_path)


# Captions


def test_a_missing_caption_file(world: Path, tmp_path: Path) -> None:
    (world / "annotations" / "captions_train2017.json").unlink()
    assert "captions_train2017.json is missing" in train(tmp_path).error


def test_a_broken_caption_file(world: Path, tmp_path: Path) -> None:
    truncate(world / "annotations" / "captions_train2017.json")
    assert "captions_train2017.json is not a JSON file" in train(tmp_path).error


def test_a_split_without_captions(world: Path, tmp_path: Path) -> None:
    rewrite(world, lambda content: content.update(annotations=[]), "val")
    assert "the val split has no annotated image" in train(tmp_path).error


def test_an_empty_caption_is_passed_over(world: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["annotations"][0]["caption"] = " \n"
        content["annotations"][1]["caption"] = "!?"

    rewrite(world, change)
    rewrite(world, change, "val")
    assert train(tmp_path).code == 0


def test_words_that_are_all_too_rare(world: Path, tmp_path: Path) -> None:
    error = train(tmp_path, "data.min_count=10000").error
    assert "no word occurs 10000 times in the training captions: lower data.min_count" in error


def test_validation_captions_of_unknown_words_alone(world: Path, tmp_path: Path) -> None:
    rewrite(world, lambda content: [a.update(caption="qwertz uiop") for a in content["annotations"]], "val")
    assert "no val caption has a word of the vocabulary" in train(tmp_path).error
    assert not ended(tmp_path)


# Checkpoints


def test_a_checkpoint_of_another_vocabulary(finished: Path, world: Path, tmp_path: Path) -> None:
    error = train(tmp_path, f"ckpt={finished}/checkpoints/best.ckpt", "data.min_count=5").error
    assert "has a vocabulary of" in error and "that is not this data's" in error
    assert not ended(tmp_path)


@pytest.mark.parametrize(
    "override", ["model=adaptive", "model.hidden_dim=8", "encoder.widths=[4, 8, 8]", "encoder=regions"]
)
def test_a_checkpoint_of_another_model(finished: Path, world: Path, tmp_path: Path, override: str) -> None:
    if override == "encoder=regions":
        sizes = [o for o in SCENES if not o.startswith("encoder.")]
        places = [f"paths.data_dir={tmp_path}/data", f"paths.output_dir={tmp_path}/outputs"]
        ran = run_door("train", *sizes, *places, override, f"ckpt={finished}/checkpoints/best.ckpt")
    else:
        ran = train(tmp_path, f"ckpt={finished}/checkpoints/best.ckpt", override)
    assert "best.ckpt does not fit this model" in ran.error and not ended(tmp_path)


def test_an_evaluation_on_data_of_other_words(finished: Path, world: Path, tmp_path: Path) -> None:
    rewrite(world, lambda content: [a.update(caption="qwertz uiop") for a in content["annotations"]], "test")
    quick = [
        only("test", "CIDEr"),
        "logger=none",
        f"paths.output_dir={tmp_path}/outputs",
    ]
    ran = run_door("evaluate", f"ckpt={finished}/checkpoints/best.ckpt", f"data.root={world}", *quick)
    assert "no test caption has a word of the vocabulary: is the checkpoint of another data set?" in ran.error


def test_a_run_directory_stands_for_its_best_checkpoint(finished: Path, tmp_path: Path) -> None:
    assert checkpoint_path(str(finished)) == finished / "checkpoints" / "best.ckpt"
    assert checkpoint_path(finished / "checkpoints") == finished / "checkpoints" / "best.ckpt"
    ran = run_door("evaluate", f"ckpt={finished}", only("test", "CIDEr"), "logger=none", f"paths.output_dir={tmp_path}")
    assert (ran.folder / "metrics.json").exists()
    for door in ("train", "evaluate"):
        small = SCENES if door == "train" else ("logger=none",)
        ran = run_door(door, *small, f"ckpt={tmp_path}", f"paths.output_dir={tmp_path}/outputs")
        assert f"{tmp_path} is a directory without checkpoints/best.ckpt" in ran.error


@pytest.mark.parametrize("door", ["evaluate", "explain"])
def test_without_a_checkpoint(door: str, tmp_path: Path) -> None:
    places = f"paths.output_dir={tmp_path}"
    error = run_door(door, "image=photo.jpg", places).error if door == "explain" else run_door(door, places).error
    assert "ckpt= is missing: give a checkpoint, or the directory of its training" in error
    assert "as in ckpt=outputs/train/DATE_TIME; `python -m src.train` makes one" in error
    (tmp_path / "train" / "today" / "checkpoints").mkdir(parents=True)
    (tmp_path / "train" / "today" / "checkpoints" / "best.ckpt").touch()
    assert f"as in ckpt={tmp_path}/train/today; " in run_door(door, *(["image=x"] * (door == "explain")), places).error


def test_without_a_photo(finished: Path, tmp_path: Path) -> None:
    ran = run_door("explain", f"ckpt={finished}", f"paths.output_dir={tmp_path}")
    assert "image= is missing: give a photo, or a folder of photos, as in image=my_photo.jpg" in ran.error


@pytest.fixture
def checkpoint(finished: Path, tmp_path: Path) -> Path:
    """A copy of a checkpoint that may be damaged."""
    return Path(shutil.copy(finished / "checkpoints" / "best.ckpt", tmp_path / "copy.ckpt"))


@pytest.fixture(params=["train", "evaluate"])
def opened(request: pytest.FixtureRequest, places: list[str], checkpoint: Path) -> Callable[[], str]:
    """Opens the checkpoint by a door, and gives the error."""
    small = SCENES if request.param == "train" else ("logger=none",)
    return lambda: run_door(request.param, *small, *places, f"ckpt={checkpoint}").error


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_a_truncated_checkpoint(checkpoint: Path, opened: Callable[[], str], size: int) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:size])
    assert "copy.ckpt is not a whole checkpoint" in opened()


def test_a_file_that_is_no_checkpoint(checkpoint: Path, opened: Callable[[], str]) -> None:
    checkpoint.write_text("not a checkpoint")
    assert "copy.ckpt is not a whole checkpoint" in opened()


def test_a_checkpoint_of_something_else(checkpoint: Path, opened: Callable[[], str]) -> None:
    torch.save({"state_dict": {}}, checkpoint)
    assert "copy.ckpt is not a whole checkpoint" in opened()


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_pickled_code_is_refused(checkpoint: Path, opened: Callable[[], str], tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    torch.save({**content, "extra": Trap(tmp_path / "sprung")}, checkpoint)
    assert "copy.ckpt is not a whole checkpoint" in opened()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("where", ["model", "encoder", "decoding", "data", "data.source"])
@pytest.mark.parametrize("target", ["os.system", "whysaid.data.framing.np.save", "whysaid.data.nowhere.Class"])
def test_a_checkpoint_that_names_foreign_code(checkpoint: Path, tmp_path: Path, where: str, target: str) -> None:
    content = torch.load(checkpoint, weights_only=True)
    node = content["config"]
    for key in where.split("."):
        node = node[key]
    node |= {"_target_": target, "command": f"touch {tmp_path}/sprung"}
    torch.save(content, checkpoint)
    ran = run_door("evaluate", f"ckpt={checkpoint}", "logger=none", f"paths.output_dir={tmp_path}/outputs")
    assert f"asks for {target}, which is not part of this project" in ran.error
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("where", ["encoder.widths", "data.name", "model.hidden_dim", "seed"])
def test_a_checkpoint_with_an_interpolation(checkpoint: Path, tmp_path: Path, where: str) -> None:
    """Hydra would resolve it after the targets have been looked at."""
    content = torch.load(checkpoint, weights_only=True)
    *path, last = where.split(".")
    node = content["config"]
    for key in path:
        node = node[key]
    node[last] = f"${{oc.create:{{_target_: os.system, command: 'touch {tmp_path}/sprung'}}}}"
    torch.save(content, checkpoint)
    ran = run_door("evaluate", f"ckpt={checkpoint}", "logger=none", f"paths.output_dir={tmp_path}/outputs")
    assert "holds an interpolation (" in ran.error and not (tmp_path / "sprung").exists()


def test_a_checkpoint_names_a_class_where_it_does_not_belong(checkpoint: Path, tmp_path: Path) -> None:
    """A writer of features deletes what lies in its folder."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "shard.partial").write_text("mine")
    content = torch.load(checkpoint, weights_only=True)
    content["config"]["data"]["source"] = {
        "_target_": "whysaid.data.features.store.FeatureWriter",
        "folder": str(kept),
        "fingerprint": "any",
    }
    torch.save(content, checkpoint)
    ran = run_door("evaluate", f"ckpt={checkpoint}", "logger=none", f"paths.output_dir={tmp_path}/outputs")
    assert "asks for whysaid.data.features.store.FeatureWriter, which is not part" in ran.error
    assert (kept / "shard.partial").read_text() == "mine"


def test_a_constant_that_is_none_of_the_projects(checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    content["config"]["data"]["object_words"] = {"_target_": "hydra.utils.get_object", "path": "antigravity"}
    torch.save(content, checkpoint)
    ran = run_door("evaluate", f"ckpt={checkpoint}", "logger=none", f"paths.output_dir={tmp_path}/outputs")
    assert "asks for antigravity, which is not part" in ran.error and "antigravity" not in sys.modules


# Command lines


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["experiment=gridtd_cocoo"], "there is no experiment=gridtd_cocoo: did you mean gridtd_coco? choose one of"),
        (["seeed=1"], "error: there is no seeed: did you mean seed?"),
        (["model.hidden=1"], "error: there is no model.hidden: did you mean model.hidden_dim?"),
        (["trainer.max_epoch=3"], "error: there is no trainer.max_epoch: did you mean trainer.max_epochs?"),
        (["lr=1e-3"], "error: there is no lr: did you mean optimizer.lr?"),
        (["model=lstm"], "error: there is no model=lstm: choose one of adaptive, aoa, blip, deepfill, gridtd"),
        (["split=val"], "error: there is no split here: it belongs to `python -m src.evaluate`"),
        (["+seed=1"], "An item is already at 'seed'"),
        (["scheduler=null"], "error: scheduler=null: a group is left out by ~scheduler"),
        (["logger=null"], "error: logger=null: a group is left out by logger=none"),
        (["debug=null"], "error: debug=null: no debug is chosen unless it is asked for; leave this out"),
        (["model=null"], "error: model=null: model cannot be left out; choose one of adaptive, aoa"),
        (["model=3"], "error: there is no model=3: choose one of adaptive, aoa"),
        (["model.hidden_dim=[1"], "cannot be read, since Hydra's grammar takes the value apart"),
        (["monitor=val/CIDEr (x)"], """give it two pairs of quotes, 'monitor="val/CIDEr (x)"'"""),
        (["data.root"], "error: 'data.root' is no key=value: `python -m src.train --help` shows some"),
        (["optimizer.lr=abc"], "error: optimizer.lr=abc: a number belongs here"),
        (["optimizer.lr=-1"], "the optimizer refuses its settings: Invalid learning rate: -1; change optimizer.…"),
        (["scheduler.factor=2"], "the scheduler refuses its settings: Factor should be < 1.0; change scheduler.…"),
        (["data.batch_size=2.5"], "error: data.batch_size=2.5: a whole number belongs here"),
        (["+model.foo=3"], "whysaid.models.gridtd.GridTD takes no foo; there are encoder, vocab_size, embed_dim"),
        (["+callbacks.x._target_=whysaid.nowhere.X"], "error: callbacks.x: there is no whysaid.nowhere.X"),
        (
            ["+callbacks.x._target_=pytorch_lightning.callbacks.EarlyStopping"],
            "error: callbacks.x: EarlyStopping.__init__() missing 1 required positional argument: 'monitor'",
        ),
        (["resume=nowhere"], "error: there is no run directory nowhere: resume= takes that of an earlier training"),
        (["ckpt=nowhere.ckpt"], "there is no checkpoint nowhere.ckpt"),
        (["encoder.image_size=49"], "multiple of 8"),
        (["trainer.accelerator=gpu"], "the trainer cannot do this: "),
        (["trainer.devices=0"], "not a valid input using cpu accelerator; change trainer."),
        (["trainer.max_time=banana"], "in the format DD:HH:MM:SS; change trainer.max_time"),
        (["trainer.val_check_interval=1000"], "than or equal to the number of the training batches (6)"),
        (["trainer.log_every_n_steps=0"], "error: trainer.log_every_n_steps is 0: set it to at least 1"),
        (["encoder=vgg16", "encoder.weights=nowhere.pth"], "there is no weights file nowhere.pth"),
        (["data.source.size=80"], "holds scenes drawn with another size"),
        (["data.cache_features=true"], "turn one off"),
        (["objective=xe_words_first", "task.tune_encoder=false"], "set task.tune_encoder=true"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_wrong_command_line(data_dir: Path, tmp_path: Path, args: list[str], message: str) -> None:
    drop = {"encoder=vgg16": "encoder.", "experiment=gridtd_cocoo": "~experiment"}.get(args[0], "-")
    settings = [override for override in SCENES if not override.startswith(drop)]
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path}/outputs"]
    assert message in run_door("train", *settings, *places, *args).error
    assert not ended(tmp_path) and not Path("nowhere").exists()


@pytest.mark.parametrize("sweep", ["model=gridtd,lstm", "data.min_count=1,100000"])
def test_a_wrong_job_in_a_sweep(data_dir: Path, tmp_path: Path, sweep: str) -> None:
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path}/outputs"]
    assert run_door("train", "-m", *SCENES, *FIGURES, *places, sweep).error


# What the machine lacks


def test_without_java_training_ends_and_says_so_once(data_dir: Path, tmp_path: Path) -> None:
    test = only("test", "CIDEr", "METEOR", "SPICE")
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path}/outputs"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", "")
        ran = run_door("train", *SCENES, *FIGURES, *places, test)
    metrics = json.loads((ran.folder / "metrics.json").read_text())
    assert "test/CIDEr" in metrics and not {"test/METEOR", "test/SPICE"} & metrics.keys()
    log = (ran.folder / "train.log").read_text()
    assert [log.count(f"{name} unavailable") for name in ("METEOR", "SPICE")] == [1, 1]


def test_without_wandb_a_run_goes_on(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    assert "wandb" not in vars(media)
    ran = with_wandb(data_dir, tmp_path)
    log = (ran.folder / "train.log").read_text()
    assert log.count("the run goes on without logger.wandb") == 1
    assert (ran.folder / "metrics.csv").exists() and not (ran.folder / "wandb").exists()


def test_wandb_turned_off(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    wandb.teardown()  # it reads the environment once in a process
    ran = with_wandb(data_dir, tmp_path)
    assert "the run goes on without" not in (ran.folder / "train.log").read_text()
    assert (ran.folder / "metrics.csv").exists() and not list(ran.folder.glob("wandb/*run-*"))


def test_wandb_without_a_login(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on offline, and can be sent when there is one."""
    for name, value in {"MODE": "online", "API_KEY": "", "CONFIG_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    wandb.teardown()
    ran = with_wandb(data_dir, tmp_path)
    assert (ran.folder / "train.log").read_text().count("the run goes on offline") == 1
    assert len(list(ran.folder.glob("wandb/offline-run-*"))) == 1


def with_wandb(data_dir: Path, tmp_path: Path) -> Ran:
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path}/outputs"]
    return run_door(
        "train", *SCENES, *places, "callbacks.attention=null", "callbacks.captions.images=1", "logger=wandb"
    )
