"""Texts of any language as words."""

import string
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.corpus import Corpus
from whysaid.data.object_words import ObjectWords
from whysaid.data.words import _ASCII, _TOKEN, require_spaces, spaced, words
from whysaid.errors import UserError

CHINESE = "一只棕色的狗在草地上奔跑。"
JAPANESE = "犬がボールで遊んでいる、公園。"
THAI = "สุนัขกำลังวิ่งบนสนามหญ้า"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog isn't on the man's T-shirt.", ["a", "dog", "is", "n't", "on", "the", "man", "'s", "t-shirt"]),
        ("  Two   CATS,\nplaying!", ["two", "cats", "playing"]),
        ("it’s 2.5 m, or ½ of 5 m²", ["it", "'s", "2.5", "m", "or", "of", "5", "m"]),
        ("...", []),
        ("Une crème brûlée", ["une", "crème", "brûlée"]),
        ("L’ÉTÉ à l'école d'Orléans", ["l", "été", "à", "l", "école", "d", "orléans"]),
        ("Größe, Straße; ÅNGSTRÖM", ["größe", "straße", "ångström"]),
        ("Мальчик ест яблоко.", ["мальчик", "ест", "яблоко"]),
        ("एक कुत्ता हिन्दी में है।", ["एक", "कुत्ता", "हिन्दी", "में", "है"]),
        ("رجلٌ يركب حصانًا، في الحقل؟", ["رجلٌ", "يركب", "حصانًا", "في", "الحقل"]),
        ("می\u200cخواهم سیب", ["می", "خواهم", "سیب"]),
        ("개가 잔디 위를 달린다.", ["개가", "잔디", "위를", "달린다"]),
        ("ein soft\u00adhyphen ❤\ufe0f 😀", ["ein", "softhyphen"]),
        ("一 只 狗。", ["一", "只", "狗"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert words(" ".join(expected)) == expected


def test_an_accent_of_its_own_and_one_that_is_part_of_the_letter_are_the_same() -> None:
    text = "crème brûlée, Việt Nam"
    assert words(unicodedata.normalize("NFD", text)) == words(text) == ["crème", "brûlée", "việt", "nam"]


def test_english_is_parted_by_the_rules_of_all_languages() -> None:
    """The quicker expression for ASCII text gives the same words."""
    generator = np.random.default_rng(0)
    letters = list(string.printable.lower() + "'-.n t's" * 9)
    for text in ("".join(generator.choice(letters, 40)) for _ in range(2000)):
        assert _ASCII.findall(text) == _TOKEN.findall(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("两只dog在跑。", "两 只 dog 在 跑 。"),
        ("สุนัขวิ่ง", "สุ นั ข วิ่ ง"),
        ("ボール、犬々", "ボ ー ル 、 犬 々"),
        ("A café, 2 cats", "A café, 2 cats"),
    ],
)
def test_characters_as_words(text: str, expected: str) -> None:
    assert spaced(text) == spaced(expected) == expected


@pytest.mark.parametrize("text", [CHINESE, JAPANESE, THAI])
def test_languages_without_spaces_are_told_from_parted_ones(text: str, tmp_path: Path) -> None:
    images = [CaptionedImage(0, Path("0.jpg"), (text, text))]
    with pytest.raises(UserError, match=r"is written without spaces: set data.characters=true"):
        Corpus(tmp_path / "raw", images, min_count=1, max_words=30)
    corpus = Corpus(tmp_path / "parted", [image.spaced() for image in images], min_count=1, max_words=30)
    assert len(corpus.vocabulary) > 9
    require_spaces(["一只 棕色 的 狗 在 草地 上 奔跑 。", "สุนัข กำลัง วิ่ง บน สนาม หญ้า", "犬 が ボール で 遊んで いる"])
    require_spaces(["a very ordinary caption", "Donaudampfschifffahrt", "", "Тридцатичетырёхлетний"])


def test_objects_are_found_in_any_language() -> None:
    objects = ObjectWords({"pomme": ["poire"], "सेब": []})
    assert objects.mentioned("Une pomme, brûlée; deux poires") == ["pomme", "pomme"]
    assert objects.mentioned("एक सेब।") == ["सेब"]
    assert not ObjectWords({"br": []}).mentioned("crème brûlée")
