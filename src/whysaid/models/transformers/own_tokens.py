"""The words of this project's own vocabulary as the tokens of a model of transformers that is trained on them."""

from collections.abc import Sequence
from typing import Protocol


class Tokens(Protocol):
    """How the tokens of a model of transformers stand under this project's indices.

    Attributes:
        ids: the model's id for each index.
        duplicates: indices of which the model's id has an owner already.
    """

    @property
    def ids(self) -> Sequence[int]: ...

    @property
    def duplicates(self) -> Sequence[int]: ...

    def __len__(self) -> int: ...


class OwnTokens:
    """Tokens whose ids are this project's indices.

    Args:
        size: V.
    """

    def __init__(self, size: int):
        self.ids: Sequence[int] = range(size)
        self.duplicates: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.ids)
