"""Folders as `save_pretrained` writes them: of half precision, in several files, and of a revision of the hub."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import RevisionNotFoundError
from PIL import Image

import whysaid
from tests.models.transformers.tiny import photos
from whysaid.errors import UserError
from whysaid.models.transformers import size
from whysaid.models.transformers.families import architecture
from whysaid.models.transformers.folder import read_config
from whysaid.models.transformers.load import load_pretrained

Folder = Callable[[str], Path]

FAMILIES = ("blip", "git", "vilt")


def saved(folder: Path, there: Path, dtype: torch.dtype, **settings: Any) -> Path:
    """The model of a folder written anew, everything else beside it."""
    import transformers

    shutil.copytree(folder, there, ignore=shutil.ignore_patterns("*.safetensors"))
    kind = getattr(transformers, architecture(read_config(folder), str(folder)))
    kind.from_pretrained(folder, dtype=dtype).save_pretrained(there, **settings)
    return there


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_are_read_and_computed_with_in_float32(
    family: str, dtype: torch.dtype, hub_folder: Folder, tmp_path: Path
) -> None:
    folder = hub_folder(family)
    half = load_pretrained(str(saved(folder, tmp_path / "half", dtype))).model
    exact = load_pretrained(str(folder)).model.state_dict()
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    for name, weight in half.state_dict().items():
        assert torch.equal(weight, exact[name].to(dtype).to(weight.dtype)), name


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_in_several_files_are_those_of_one(family: str, hub_folder: Folder, tmp_path: Path) -> None:
    folder = hub_folder(family)
    parted = saved(folder, tmp_path / "parted", torch.float32, max_shard_size="8KB")
    assert len(list(parted.glob("*.safetensors"))) > 2 and not (parted / "model.safetensors").exists()
    whole, parts = (load_pretrained(str(place)) for place in (folder, parted))
    assert size.parameter_count(parted) == size.parameter_count(folder) > 0
    expected = whole.model.state_dict()
    for name, weight in parts.model.state_dict().items():
        assert torch.equal(weight, expected[name]), name
    digest = parts.sha256()
    assert len(digest) == 64 and digest == load_pretrained(str(parted)).sha256() != whole.sha256()
    sorted(parted.glob("*.safetensors"))[0].unlink()
    with pytest.raises(UserError, match=r"fetch or save it again|fetch them again"):
        load_pretrained(str(parted))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("family", [*FAMILIES, "blip_vqa", "blip2", "blip2_t5"])
def test_a_model_computes_in_half_precision(
    family: str, dtype: str, hub_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A BLIP-2 keeps its Q-Former in float32 where all else is float16."""
    monkeypatch.setattr(size, "_is_native", lambda name: True)
    subject = whysaid.load(f"hf:{hub_folder(family)}", dtype=dtype, device="cpu")
    assert subject.model.embedding.weight.dtype == getattr(torch, dtype)
    photo = Image.fromarray((photos(1)[0].sigmoid().permute(1, 2, 0) * 255).byte().numpy())
    asked = {"question": "how many dogs"} if family in ("vilt", "blip_vqa") else {"caption": "a dog"}
    exact = whysaid.load(f"hf:{hub_folder(family)}").explain(photo, method="saliency", **asked)
    found = subject.explain(photo, method="saliency", **asked)
    assert subject.explain(photo, method="attention", **asked).maps.max() > 0
    if found.words == exact.words:
        assert np.corrcoef(found.maps.ravel(), exact.maps.ravel())[0, 1] > 0.9


def test_a_revision_is_that_which_is_fetched(hub_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        fetched.append((name, revision))
        if revision == "gone":
            raise RevisionNotFoundError.__new__(RevisionNotFoundError)  # whose making asks for a response
        return str(hub_folder("blip"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    for revision in (None, "v2"):
        assert load_pretrained("someone/captions", revision).folder == hub_folder("blip")
    assert fetched == [("someone/captions", None), ("someone/captions", "v2")]
    with pytest.raises(UserError, match="someone/captions has no revision gone: leave revision= out"):
        load_pretrained("someone/captions", "gone")
