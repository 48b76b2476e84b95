"""What a decoding asks the support of words for."""

from dataclasses import replace
from typing import TypeVar

from whysaid.attribution.support.words import ObjectSupport
from whysaid.data.vocabulary import Vocabulary
from whysaid.decoding.decoder import Decoder
from whysaid.decoding.support.unsupported import Unsupported
from whysaid.decoding.support.watched import Watched, needs_watch
from whysaid.errors import UserError

D = TypeVar("D", bound=Decoder)


def asks_support(decoder: Decoder) -> bool:
    """Tells whether a decoding ranks, or forbids, words by their support."""
    return decoder.support is not None or any(isinstance(forbid, Unsupported) for forbid in decoder.filters)


def with_support(decoder: D, support: ObjectSupport | None, vocabulary: Vocabulary) -> D:
    """The decoder with the support of its captioner's words, where it asks for that.

    Raises:
        UserError: nobody has fitted the support, or not on what the decoder knows; or two filters ask for it.
    """
    if not asks_support(decoder):
        return decoder
    if support is None:
        raise UserError(
            "decoding.support and the filter Unsupported go by the support of one captioner's object words, and there "
            "is none: fit it by study=support, which puts it beside the checkpoint"
        )
    asking = [forbid for forbid in decoder.filters if isinstance(forbid, Unsupported)]
    if len(asking) > 1:
        raise UserError("decoding.filters holds Unsupported twice: leave the one with the lower threshold out")
    changes: dict[str, object] = {}
    if decoder.support is not None:
        changes["support"] = decoder.support.of(support, vocabulary)
    if asking:
        mask = asking[0].of(support, vocabulary)
        changes["filters"] = tuple(mask if forbid is asking[0] else forbid for forbid in decoder.filters)
        if needs_watch(decoder.contrast, mask):
            changes["contrast"] = Watched(decoder.contrast, mask)
    return replace(decoder, **changes)  # type: ignore[type-var]
