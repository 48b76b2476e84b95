"""Methods act on functions (torch's function modes), never on modules: nothing is hung on them, and nothing stays."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch.overrides import TorchFunctionMode


class FunctionMode(TorchFunctionMode):
    """A context in which some functions of torch are replaced.

    In a replacement the mode is off: what it computes is plain.

    Attributes:
        replaced: function → name of the method that is called in its place; all other functions stay as they are.
    """

    replaced: ClassVar[Mapping[Any, str]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = self.replaced.get(func)
        return (func if name is None else getattr(self, name))(*args, **(kwargs or {}))
