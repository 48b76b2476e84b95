"""The mean of the training features, for a captioner whose checkpoint lacks it."""

from collections.abc import Sequence

from whysaid.data.captions.datamodule import CaptionData
from whysaid.decoding.decoder import Decoder, takes_mean
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.mean import know_mean


def lacks_mean(captioners: Sequence[Captioner], decoding: Decoder) -> bool:
    """Tells whether a decoding is set against the mean picture, and one of the captioners does not know it."""
    return takes_mean(decoding) and any(captioner.mean_regions is None for captioner in captioners)


def complete_mean(captioners: Sequence[Captioner], decoding: Decoder, data: CaptionData) -> None:
    """Computes what a decoding needs and older checkpoints lack, from training pictures, and says so in the log.

    Args:
        captioners: a captioner, or the members of an ensemble.
        decoding: how they write.
        data: with the preprocessing, or the cached features, of their encoder.

    Raises:
        UserError: the training pictures are not there.
    """
    if not lacks_mean(captioners, decoding):
        return
    try:
        for captioner in captioners:
            know_mean(captioner, data)
    except UserError as error:
        raise UserError(
            f"the checkpoint holds no mean of its training features, and they cannot be had to compute it ({error}): "
            "choose decoding/contrast/absent=grey, and leave decoding.support and the filter Unsupported out"
        ) from error
