"""What is text on a command line stays text, and mistyped commands end in a line with the nearest that there is."""

import json
import subprocess
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from tests.running import FIGURES, SCENES, run_door
from whysaid.doors.command_line import TEXTS, in_two_quotes, keep_texts
from whysaid.doors.typing_errors import nearest
from whysaid.run.conf import CONF

AWKWARD = [
    "2",
    "2024",
    "2026_11_29",
    "007",
    "1e3",
    "nan",
    "true",
    "IMG (1).png",
    "日本.png",
    "café au lait",
    "what's on the left?",
    "red, or blue?",
    "a,b",
    'say "hi" to \'me\' \\"',
    "100%",
    "#1 {a}.png",
    "[1].png",
    "glob(*)",
    "x=y",
    "C:\\x\\y",
    "cost: $5!",
]


def parsed(word: str) -> object:
    return OverridesParser.create().parse_override(word).value()


@pytest.mark.parametrize("value", AWKWARD)
def test_a_text_is_what_was_typed(value: str) -> None:
    for key in ("image", "question", "+data.root", "paths.output_dir"):
        (word,) = keep_texts([f"{key}={value}"])
        assert parsed(word) == value
        assert keep_texts([word]) == [word]


@pytest.mark.parametrize(
    "word",
    [
        "caption=null",
        "caption=",
        "caption='a dog, a cat'",
        'caption="a dog, a cat"',
        "ckpt=[a.ckpt,b.ckpt]",
        "ckpt=[a.ckpt,日.ckpt]",
        "data.root=${paths.data_dir}/x",
        "image=${oc.env:HOME}/日.png",
        "seed=3",
        "trainer.max_epochs=3",
        "data=coco",
        "callbacks.attention.images=4",
        "monitor=val/CIDEr (x)",
        "~caption",
        "--help",
        "--config-dir=conf (1)",
    ],
)
def test_all_else_is_left_to_hydra(word: str) -> None:
    assert keep_texts([word]) == [word]


@pytest.mark.parametrize("flag", ["-m", "--multirun", "hydra.mode=MULTIRUN"])
def test_commas_part_the_jobs_of_a_sweep(flag: str) -> None:
    assert keep_texts([flag, "ckpt=a.ckpt,b.ckpt", "data.root=2024"]) == [
        flag,
        "ckpt=a.ckpt,b.ckpt",
        'data.root="2024"',
    ]


@pytest.mark.parametrize("value", AWKWARD)
def test_the_advised_quotes_pass_a_shell_and_hydra(value: str) -> None:
    typed = in_two_quotes("monitor", value)
    heard = subprocess.run(["bash", "-c", f"printf %s {typed}"], capture_output=True, text=True, check=True).stdout
    assert parsed(heard) == value


def test_every_key_that_names_a_place_is_text() -> None:
    """Those whose default is made of another place."""
    files = [path for path in CONF.rglob("*.yaml") if "hydra" not in path.parts]
    assert {key for path in files for key in places(OmegaConf.load(path))} <= TEXTS


def places(node: object) -> set[str]:
    """The last parts of keys whose default is below `paths` or `data.root`."""
    if not isinstance(node, DictConfig):
        return set()
    here = {str(key) for key in node if str(node._get_node(key)._value()).startswith(("${paths.", "${data.root"))}
    return here.union(*(places(node._get_node(key)) for key in node if OmegaConf.is_config(node._get_node(key))))


def test_data_in_a_folder_with_a_number_for_a_name(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_tokens: None
) -> None:
    (tmp_path / "2026_11_29").symlink_to(data_dir / "scenes")
    monkeypatch.chdir(tmp_path)
    places = [f"paths.data_dir={data_dir}", "paths.output_dir=2024"]
    ran = run_door("train", *SCENES, *FIGURES, *places, "data.root=2026_11_29", "trainer.fast_dev_run=true")
    assert ran.folder.is_relative_to(tmp_path / "2024") and ran.folder.is_dir()
    assert OmegaConf.load(ran.folder / "config.yaml").data.root == "2026_11_29"


def test_photos_and_captions_as_they_are_called(finished: Path, places: list[str], tmp_path: Path) -> None:
    names = ["2024", "2026_11_29", "IMG (1).png", "日本, 東京.png"]
    scene = next((Path(places[0].partition("=")[2]) / "scenes" / "test2017").iterdir())
    (tmp_path / "photos").mkdir()
    ckpt = f"ckpt={finished}/checkpoints/best.ckpt"
    for name in names:
        (tmp_path / "photos" / name).write_bytes(scene.read_bytes())
    for name in names[1:]:
        ran = run_door("explain", ckpt, f"image={tmp_path}/photos/{name}", "~attribution", "caption=A house.", *places)
        (record,) = json.loads((ran.folder / "explanations.json").read_text(encoding="utf-8"))["explanations"]
        assert Path(record["image"]).name == name and record["words"] == ["a", "house"]
    assert (
        "the word '3' is not in the captioner's vocabulary"
        in run_door("explain", ckpt, f"image={tmp_path}/photos/2024", "caption=3", *places).error
    )
    assert "takes no answer=" in run_door("explain", ckpt, f"image={tmp_path}/photos/2024", "answer=2", *places).error


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("trainer.max_epoch", ["trainer.max_epochs"]),
        ("max_epochs", ["trainer.max_epochs"]),
        ("trainr.max_epochs", ["trainer.max_epochs"]),
        ("sed", ["seed"]),
        ("modell", ["model"]),
        ("model.hiden", ["model.hidden_dim"]),
        ("zzz", []),
    ],
)
def test_the_nearest_key(key: str, meant: list[str]) -> None:
    names = ["seed", "model", "model.hidden_dim", "model.dropout", "trainer", "trainer.max_epochs", "trainer.devices"]
    assert nearest(key, names) == meant
