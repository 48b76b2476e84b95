"""Several methods at once, sharing what they can."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from whysaid.attribution.gradient.shared_pass_method import SharedPassMethod, require_finite
from whysaid.attribution.gradient.shared_passes import shared_passes
from whysaid.attribution.lrp.layers import product_dtype
from whysaid.attribution.method import Explanation, Method
from whysaid.attribution.targets import Targets
from whysaid.data.batch import Pictured
from whysaid.errors import DoesNotApplyError, UserError
from whysaid.models.explainable import Explainable

log = logging.getLogger(__name__)


def attribute_fitting(
    methods: dict[str, Method],
    model: Explainable,
    batch: Pictured | Tensor,
    targets: Targets,
    required: Iterable[str] = (),
) -> dict[str, Explanation]:
    """Explains by those of the methods that can explain such a model, and takes the others out of `methods`.

    One line of the log names these, and says why.

    Args:
        methods: name → method.
        model: see `Method.attribute`.
        batch: see `Method.attribute`.
        targets: see `Method.attribute`.
        required: names of methods that may not be left out.

    Raises:
        DoesNotApplyError: none of the methods can explain such a model, or a required one cannot.
        UserError: as `attribute_all` does.
    """
    left_out: dict[str, DoesNotApplyError] = {}
    explanations = attribute_all(methods, model, batch, targets, left_out)
    reasons: dict[str, list[str]] = {}
    for name in [name for name in methods if name in left_out]:
        error = left_out[name]
        if name in required or not explanations:
            raise DoesNotApplyError(f"{name}: {error}") from error
        reasons.setdefault(str(error).partition(": ")[0], []).append(name)  # without the remedy for who asks for it
        del methods[name]
    if reasons:
        listed = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
        log.warning("left out, since they cannot explain this model: %s", listed)
    return explanations


def attribute_all(
    methods: Mapping[str, Method],
    model: Explainable,
    batch: Pictured | Tensor,
    targets: Targets,
    left_out: dict[str, DoesNotApplyError] | None = None,
) -> dict[str, Explanation]:
    """Explains by each method, under the same names and in the same order.

    All `SharedPassMethod`s share one forward of encoder and decoder, one backward of the decoder and one backward of
    the encoder for each rule of its ReLUs; `chunk` is the smallest of theirs, and products are rounded where all that
    name a dtype name the same. Others, such as LRP, run by themselves.

    Args:
        methods: name → method.
        model: see `Method.attribute`.
        batch: see `Method.attribute`.
        targets: see `Method.attribute`.
        left_out: takes the errors of methods that cannot explain such a model, which have no explanation then; None:
            these are raised too.

    Raises:
        UserError: as `Method.attribute` does, with the name in front of the method that it comes from.
    """
    explanations: dict[str, Explanation] = {}
    sharing = {name: method for name, method in methods.items() if isinstance(method, SharedPassMethod)}
    if sharing:
        chunks = [method.chunk for method in sharing.values() if method.chunk is not None]
        dtypes = {product_dtype(method.dtype) for method in sharing.values() if method.dtype is not None}
        dtype = dtypes.pop() if len(dtypes) == 1 else None
        with shared_passes(model, batch, targets, min(chunks, default=1), dtype) as passes:
            for name, method in sharing.items():
                with _named(name, left_out):
                    explanations[name] = require_finite(method.explain(passes), passes)
    for name, other in methods.items():
        if name not in sharing:
            with _named(name, left_out):
                explanations[name] = other.attribute(model, batch, targets)
    return {name: explanations[name] for name in methods if name in explanations}


@contextmanager
def _named(name: str, left_out: dict[str, DoesNotApplyError] | None) -> Iterator[None]:
    """Puts a method's name in front of its errors, or the error that it does not apply beside those left out."""
    try:
        yield
    except DoesNotApplyError as error:
        if left_out is None:
            raise DoesNotApplyError(f"{name}: {error}") from error
        left_out[name] = error
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def chosen(config: DictConfig | None, name: str) -> dict[str, Method]:
    """Makes the methods of the config group `attribution`: one, under the name of Hydra's choice, or a mapping of many.

    None, or None in the place of a method, leaves it out.
    """
    if config is None:
        return {}
    if "_target_" in config:
        return {name: instantiate(config)}
    return {str(key): instantiate(method) for key, method in config.items() if method is not None}
