"""The report in a browser where objects were taken out: what pointing at one shows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.report.test_page import NASTY, background, explained, opened, overlaid, word
from whysaid.figures.overlay import colours
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects
from whysaid.report.page import ReportPage

__all__ = ["opened"]

HEIGHT, WIDTH = 80, 120


def part(name: str, left: int, side: int, importance: float | None, red: float = 0.0) -> PhotoObject:
    """A square from the top, left out of a photo that is as red as is said."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:side, left : left + side] = True
    if importance is None:
        return PhotoObject(name, mask, skipped="too large")
    picture = np.zeros((HEIGHT, WIDTH, 3))
    picture[..., 0] = red
    return PhotoObject(
        name, mask, importance, picture=picture, words=["no", name], drop=-1.0 if importance == 0 else 2.0
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gray photo: a large object on the left, a small one on it, one on the right that nothing depends on; it again
    where nobody asked for objects, where none was found, and where another caption than its own is explained."""
    photo = explained(HEIGHT, WIDTH)
    parts = [part(f"dog{NASTY}", 0, 60, 0.4, 1.0), part("ball", 10, 20, 0.2, 0.5), part("cup", 90, 30, 0.0)]
    photo.objects = PhotoObjects(photo.image, photo.said, [part("wall", 60, 30, None), *reversed(parts)])
    bare, other = explained(HEIGHT, WIDTH), explained(HEIGHT, WIDTH)
    bare.objects = PhotoObjects(bare.image, bare.said, [])
    other.objects = PhotoObjects(other.image, ["a", "cat"], [replace(parts[2], moved=(None, 0.12))])
    report = ReportPage()
    for name, shown in (("a", photo), ("b", explained(HEIGHT, WIDTH)), ("c", bare), ("d", other)):
        report.add(f"{name}.jpg", Image.new("RGB", (WIDTH, HEIGHT), "gray"), shown)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.page("about"))
    return path


def button(page: Any, i: int) -> Any:
    return page.locator("article").nth(0).locator(".parts button").nth(i)


def red(page: Any) -> int:
    """How red the shown picture is, 0 … 255; the photo is gray, 128."""
    return page.evaluate(
        """async () => {
        const image = document.querySelector('article img');
        await image.decode();
        const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
        canvas.getContext('2d').drawImage(image, 0, 0, 1, 1);
        return canvas.getContext('2d').getImageData(0, 0, 1, 1).data[0]; }"""
    )


def at(page: Any, x: float, y: float) -> tuple[float, float]:
    """A place in the first photo, in pixels of the photo → of the window."""
    box = page.locator(".photo").nth(0).bounding_box()
    return box["x"] + box["width"] * x / WIDTH, box["y"] + box["height"] * y / HEIGHT


def note(page: Any) -> str:
    return page.locator("article").nth(0).locator(".note").inner_text()


def test_each_object_has_a_button_in_its_colour(opened: Any) -> None:
    assert button(opened, 0).inner_text() == f"dog{NASTY} 0.40"
    assert [button(opened, i).inner_text() for i in (1, 2)] == ["ball 0.20", "cup 0"]
    for i, share in enumerate((1.0, 0.5, 0.0)):
        expected = np.array(colours(False)(share)[:3]) * 255
        np.testing.assert_allclose(background(opened, button(opened, i)), expected, atol=4)
    assert opened.locator(".parts > span").all_inner_texts() == ["wall: too large"]
    assert opened.locator("article").nth(1).locator(".parts button").count() == 0
    assert opened.locator("img[src=x]").count() == 0


def test_what_is_said_where_objects_were_not_asked_for_or_not_found(opened: Any) -> None:
    asked = [opened.locator("article").nth(i).locator(".take-out") for i in range(4)]
    assert "Point at an object in the photo" in opened.locator("header").inner_text()
    assert asked[0].text_content() == "Without one object, and how much its caption changes:"
    assert asked[1].count() == 0
    assert asked[2].text_content() == "No object was found in it that could be taken out."
    assert "how much the photo's own caption, “a cat”, changes" in asked[3].text_content()


def test_how_far_attention_moved(opened: Any) -> None:
    article = opened.locator("article").nth(3)
    article.locator(".parts button").hover()
    assert article.locator(".note").inner_text().endswith("2.7 times as likely; 12 % of its attention moved")


def test_pointing_at_a_button_shows_the_photo_without_it(opened: Any) -> None:
    before = red(opened)
    button(opened, 0).hover()
    assert red(opened) > 240 and f"without the dog{NASTY}" in opened.locator("article img").nth(0).get_attribute("alt")
    assert note(opened) == (
        f"Without the dog{NASTY}: “no dog{NASTY}” — importance 0.40 (1 − cos of the captions); "
        "the photo's own caption is then 7.4 times less likely"
    )
    button(opened, 2).hover()
    assert red(opened) < 20 and "2.7 times as likely" in note(opened)
    opened.mouse.move(1, 1)
    assert red(opened) == before and note(opened) == ""


def test_pointing_into_the_photo_does_so_too(opened: Any) -> None:
    opened.wait_for_function("() => views[0].outline")
    for place, name in [((5, 40), "dog"), ((20, 10), "“no ball”"), ((110, 10), "“no cup”")]:
        opened.mouse.move(*at(opened, *place))
        assert name in note(opened), "the smaller object lies on top"
    for place in [(70, 10), (100, 70)]:
        opened.mouse.move(*at(opened, *place))
        assert note(opened) == "", "what was left in cannot be pointed at"


def test_clicking_keeps_it_and_words_are_shown_meanwhile(opened: Any) -> None:
    opened.wait_for_function("() => views[0].outline")
    opened.mouse.click(*at(opened, 5, 40))
    assert button(opened, 0).get_attribute("aria-pressed") == "true"
    opened.mouse.move(1, 1)
    assert red(opened) > 240
    word(opened, 0).hover()
    assert overlaid(opened).max() > 0 and red(opened) == pytest.approx(128, abs=2)
    opened.mouse.move(1, 1)
    assert overlaid(opened).max() == 0 and red(opened) > 240
    button(opened, 0).click()
    opened.mouse.move(1, 1)
    assert button(opened, 0).get_attribute("aria-pressed") == "false"
    assert red(opened) == pytest.approx(128, abs=2)


def test_keys_go_from_object_to_object(opened: Any) -> None:
    button(opened, 0).focus()
    opened.keyboard.press("ArrowRight")
    assert button(opened, 1).evaluate("(e) => e === document.activeElement") and "“no ball”" in note(opened)
    opened.keyboard.press("End")
    assert button(opened, 2).evaluate("(e) => e === document.activeElement")
    opened.keyboard.press("Enter")
    assert button(opened, 2).get_attribute("aria-pressed") == "true"
    opened.keyboard.press("Escape")
    assert note(opened) == "" and red(opened) == pytest.approx(128, abs=2)


@pytest.mark.parametrize(
    "opened",
    [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}],
    indirect=True,
)
def test_on_a_phone(opened: Any) -> None:
    button(opened, 1).tap()
    assert "“no ball”" in note(opened)
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = opened.locator(".parts button").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect()).map((r) => [r.width, r.height])"
    )
    assert np.min(sizes) >= 44
