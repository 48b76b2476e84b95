"""What can stand in a scene: sixteen classes, six colours, two sizes."""

SUPERCATEGORIES = {
    "house": "building",
    "car": "vehicle",
    "boat": "vehicle",
    "cat": "animal",
    "fish": "animal",
    "tree": "plant",
    "flower": "plant",
    "mushroom": "plant",
    "cup": "household",
    "lamp": "household",
    "key": "household",
    "clock": "household",
    "umbrella": "household",
    "ball": "toy",
    "kite": "toy",
    "star": "toy",
}
"""Class name → COCO supercategory."""

CLASSES = tuple(sorted(SUPERCATEGORIES))
"""The class names; category id of a class = its place here + 1."""

SYNONYMS = {
    "boat": "ship",
    "car": "automobile",
    "cat": "kitten",
    "cup": "mug",
    "house": "cottage",
    "mushroom": "toadstool",
    "umbrella": "parasol",
}

OBJECT_WORDS: dict[str, list[str]] = {name: [name, *([SYNONYMS[name]] if name in SYNONYMS else [])] for name in CLASSES}
"""Class name → the words by which captions call it, its own name first."""

PAIRS = (
    ("cup", "lamp"),
    ("cat", "ball"),
    ("boat", "fish"),
    ("key", "clock"),
    ("flower", "mushroom"),
    ("house", "tree"),
)
"""Classes that nearly always come together in the training and validation splits; in the test split by chance alone."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (210, 38, 44),
    "orange": (242, 134, 24),
    "yellow": (246, 218, 46),
    "green": (44, 156, 62),
    "blue": (44, 88, 208),
    "purple": (136, 52, 168),
}

SIZES = {"small": 0.28, "big": 0.47}
"""Size → side of the object's square, as a share of the scene's side."""

VOWELS = "aeiou"
"""A word that begins with one of these takes `an`."""
