"""Tiny models, each loaded once a session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from whysaid.models.transformers.load import Pretrained, load_pretrained


@pytest.fixture(scope="session")
def loaded(hub_folder: Callable[[str], Path]) -> Callable[[str], Pretrained]:
    """Family → its tiny model in float64."""
    models: dict[str, Pretrained] = {}

    def load(family: str) -> Pretrained:
        if family not in models:
            models[family] = load_pretrained(str(hub_folder(family)))
            models[family].model.double()
        return models[family]

    return load
