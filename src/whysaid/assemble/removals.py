"""The meeting of training pictures, the objects in them and an encoder: pictures from which objects are taken out."""

from whysaid.assemble.features import feature_folder
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.features.store import FeatureStore
from whysaid.data.files.kept import Unkept
from whysaid.data.removal.changes import Changes, DrawnChanges, MadeChanges
from whysaid.data.removal.known import known_objects
from whysaid.data.removal.made import make_pictures
from whysaid.data.removal.removals import Removals, World
from whysaid.errors import UserError
from whysaid.models.encoders.cache import cache_features, encoder_fingerprint
from whysaid.models.encoders.encoder import Encoder


def with_removals(encoder: Encoder, data: CaptionData) -> CaptionData:
    """Returns the data with the changed pictures that `data.removal` asks for in their training batches.

    Changed pictures are made, and their features computed, unless they lie there; with `cached=false`, and where none
    can be kept, they are filled when they are drawn.

    Args:
        encoder: of the captioner.
        data: as the encoder sees them.

    Raises:
        UserError: the captioner sees no pixels, the data name no objects, or no object is annotated or found.
    """
    removals: Removals | None = data.removal
    if removals is None:
        return data
    if encoder.grid is None:
        raise UserError("objects are taken out of pixels, which encoder=regions does not see: choose another encoder")
    if data.object_words is None:
        raise UserError(f"{data.name} has no table of the words that captions name objects by: set data.object_words")
    images = data.images("train")
    objects = known_objects(images, data.cache_dir, str(data.name))
    world = World(images, objects, data.object_words, encoder.preprocessing)
    return data.with_changes(_changes(removals, world, data, encoder))


def _changes(removals: Removals, world: World, data: CaptionData, encoder: Encoder) -> Changes:
    if not removals.cached:
        if data.features is not None:
            raise UserError(
                "data.removal.cached=false fills pictures when they are drawn, and the captioner is given stored "
                "features: set data.cache_features=false too, or data.removal.cached=true"
            )
        return DrawnChanges(removals, world)
    side = encoder.preprocessing.size
    mark = removals.mark(world.images, world.instances.objects, side)
    try:
        made = make_pictures(removals, world, data.cache_dir / f"removed-{mark}", data.num_workers)
    except Unkept:
        if data.features is not None:
            raise
        return DrawnChanges(removals, world)
    if data.features is None:
        return MadeChanges(removals, made, encoder.preprocessing)
    own = encoder_fingerprint(encoder)
    folder = feature_folder(data, encoder, own)
    folder = folder.with_name(f"{folder.name}-removed-{mark}")
    paths = {str(picture.id): picture.path for pictures in made.values() for picture in pictures}
    broken = set(cache_features(encoder, paths, folder, workers=data.num_workers))
    whole = {
        image: [picture for picture in pictures if str(picture.id) not in broken] for image, pictures in made.items()
    }
    return MadeChanges(removals, whole, encoder.preprocessing, FeatureStore(folder, own))
