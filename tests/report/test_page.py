"""The report in a browser: what it shows, how it is used, and that it asks nothing of anybody."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whysaid.figures.explained import ExplainedPhoto
from whysaid.figures.overlay import STRONGEST, colours
from whysaid.report.page import ReportPage

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
NASTY = '</script><img src=x onerror="document.title=1">{{photos}}&amp;'
SAID, READ = ["a", "dog", NASTY], ["<start>", "a", "dog"]


def maps(height: int, width: int) -> np.ndarray:
    """Word 0: left for, right against. Word 1: a tenth of it, turned. Word 2: all for."""
    first = np.where(np.arange(width) < width / 2, 2.0, -1.0) * np.ones((height, 1))
    return np.stack([first, -0.1 * first, np.ones((height, width))]).astype(np.float32)


def explained(height: int, width: int) -> ExplainedPhoto:
    words = np.array([[3.0, 0.0, 0.0], [1.0, -2.0, 0.0], [0.5, 4.0, -1.0]])
    heat = maps(height, width)
    return ExplainedPhoto(
        np.full((height, width, 3), 0.5),
        SAID,
        READ,
        context_lengths=[1, 2, 3],
        maps={"attention": np.abs(heat), "lrp": heat},
        signed=frozenset(["lrp"]),
        words={"lrp": words},
        sentinel=[0.1, 0.2, 0.9],
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of twelve photos, wide, tall and tiny, that are grey, and of a question with its answer."""
    report = ReportPage()
    for i in range(12):
        width, height = [(120, 80), (60, 300), (3, 2)][i % 3]
        report.add(f"{i}{NASTY}.jpg", Image.new("RGB", (width, height), "gray"), explained(height, width))
    answer = explained(80, 120)
    answer.said, answer.read, answer.context_length = ["yes"], ["is", "it", "red"], [3]
    answer.maps = {name: maps[:1] for name, maps in answer.maps.items()}
    answer.words, answer.sentinel = {"lrp": np.array([[1.0, -1.0, 0.0]])}, None
    report.add("question.jpg", Image.new("RGB", (120, 80), "gray"), answer)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.page(f"about {NASTY}", [f"skipped {NASTY}"]))
    return path


@pytest.fixture
def opened(browser: Any, path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page as a file, no word of it shown; fails where it complained or asked for anything else."""
    context = browser.new_context(**getattr(request, "param", {"viewport": {"width": 1200, "height": 900}}))
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith("data:") else None)
    page.goto(path.as_uri())
    page.evaluate("views.forEach((view) => view.set({pinned: null}))")
    yield page
    context.close()
    assert complaints == [path.as_uri()]


def word(page: Any, t: int, photo: int = 0) -> Any:
    return page.locator("article").nth(photo).locator(".words button").nth(t)


def overlaid(page: Any, photo: int = 0) -> np.ndarray:
    """The overlay (h, w, 4), once it is decoded where a word is shown."""
    article = f"document.querySelectorAll('article')[{photo}]"
    page.wait_for_function(
        f"""() => !{article}.querySelector('.shown') || {article}.querySelector('canvas').getContext('2d')
        .getImageData(0, 0, 96, 96).data.some((value) => value > 0)"""
    )
    size, data = page.evaluate(
        f"""() => {{ const c = {article}.querySelector('canvas');
        return [[c.height, c.width], [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]; }}"""
    )
    return np.array(data).reshape(*size, 4)


def background(page: Any, chip: Any) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", chip.evaluate("(e) => getComputedStyle(e).backgroundColor"))][:3]


def palette(value: float, signed: bool = True) -> np.ndarray:
    return np.array(colours(signed)((value + 1) / 2 if signed else float(value))[:3]) * 255


def test_hovering_shows_the_map_and_leaving_hides_it(opened: Any) -> None:
    assert overlaid(opened).max() == 0
    word(opened, 0).hover()
    shown = overlaid(opened)
    assert shown.shape == (64, 96, 4)
    np.testing.assert_allclose(shown[30, 10, :3], palette(1), atol=4)
    np.testing.assert_allclose(shown[30, 80, :3], palette(-0.5), atol=8)
    assert shown[30, 10, 3] == pytest.approx(255 * STRONGEST, abs=1)
    assert shown[30, 80, 3] == pytest.approx(255 * STRONGEST * 0.5**0.5, abs=2)
    opened.mouse.move(1, 1)
    assert overlaid(opened).max() == 0


def test_previous_words_are_coloured_and_later_ones_are_not(opened: Any) -> None:
    chips = opened.locator("article").nth(0).locator(".words > *")
    plain = background(opened, chips.nth(3))
    word(opened, 1).hover()
    np.testing.assert_allclose(background(opened, chips.nth(0)), palette(0.5), atol=4)
    np.testing.assert_allclose(background(opened, chips.nth(1)), palette(-1), atol=4)
    assert background(opened, chips.nth(3)) == plain
    note = opened.locator("article").nth(0).locator(".note").inner_text()
    assert "“<start>” +1.0" in note and "“a” −2.0" in note


def test_clicking_keeps_a_word_until_it_is_clicked_again(opened: Any) -> None:
    word(opened, 0).click()
    assert word(opened, 0).get_attribute("aria-pressed") == "true"
    opened.mouse.move(1, 1)
    assert overlaid(opened).max() > 0
    word(opened, 1).hover()
    assert overlaid(opened)[30, 10, 2] > overlaid(opened)[30, 10, 0], "what is pointed at goes first"
    word(opened, 0).click()
    opened.mouse.move(1, 1)
    assert word(opened, 0).get_attribute("aria-pressed") == "false"
    assert overlaid(opened).max() == 0


@pytest.mark.parametrize("opened", [PHONE], indirect=True)
def test_tapping_on_a_phone(opened: Any) -> None:
    word(opened, 0).tap()
    assert word(opened, 0).get_attribute("aria-pressed") == "true"
    assert overlaid(opened).max() > 0
    word(opened, 0).tap()
    assert word(opened, 0).get_attribute("aria-pressed") == "false"
    assert overlaid(opened).max() == 0


@pytest.mark.parametrize("opened", [PHONE, {"viewport": {"width": 1200, "height": 900}}], indirect=True)
def test_everything_fits_and_can_be_hit(opened: Any) -> None:
    word(opened, 2).click()
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    targets = opened.locator("article:nth-of-type(-n+3) button, select, .segments label")
    sizes = targets.evaluate_all("(all) => all.map((e) => e.getBoundingClientRect()).map((r) => [r.width, r.height])")
    assert len(sizes) == 3 * (3 + 1) + 2 + 5  # of three photos words and what saves a picture; two lists; what is shown
    assert np.min(sizes) >= 44


def test_keys(opened: Any) -> None:
    for _ in range(20):
        opened.keyboard.press("Tab")
        if opened.evaluate("document.activeElement.matches('.words button')"):
            break
    assert word(opened, 0).evaluate("(e) => e === document.activeElement")
    assert overlaid(opened)[30, 10, 0] > overlaid(opened)[30, 10, 2]
    assert word(opened, 0).evaluate("(e) => getComputedStyle(e).outlineStyle") == "solid"
    opened.keyboard.press("ArrowRight")
    assert word(opened, 1).evaluate("(e) => e === document.activeElement")
    assert overlaid(opened)[30, 10, 2] > overlaid(opened)[30, 10, 0]
    opened.keyboard.press("Enter")
    assert word(opened, 1).get_attribute("aria-pressed") == "true"
    for key, expected in [("End", 2), ("ArrowRight", 2), ("Home", 0), ("ArrowLeft", 0), ("Tab", 1)]:
        opened.keyboard.press(key)
        assert word(opened, expected).evaluate("(e) => e === document.activeElement"), key
    opened.keyboard.press("Escape")
    assert overlaid(opened).max() == 0
    assert word(opened, 1).get_attribute("aria-pressed") == "false"


def test_signs(opened: Any) -> None:
    word(opened, 0).click()
    opened.get_by_text("for", exact=True).click()
    shown = overlaid(opened)
    assert shown[30, 10, 3] > 0 and shown[30, 80, 3] == 0
    opened.get_by_text("against", exact=True).click()
    shown = overlaid(opened)
    assert shown[30, 10, 3] == 0 and shown[30, 80, 3] > 0
    assert "against" in opened.locator("canvas").nth(0).get_attribute("aria-label")


def test_methods(opened: Any) -> None:
    assert opened.locator("#method option").all_inner_texts() == ["attention", "LRP"]
    assert opened.locator("#method").input_value() == "lrp"
    word(opened, 0).click()
    before = overlaid(opened)
    opened.get_by_text("against", exact=True).click()
    opened.locator("#method").select_option("attention")
    opened.wait_for_function("() => document.querySelector('canvas').getAttribute('aria-label').includes('attention')")
    shown = overlaid(opened)
    np.testing.assert_allclose(shown[30, 10, :3], palette(1, signed=False), atol=4)
    assert np.abs(shown - before).max() > 20
    assert opened.locator("#sign input").first.is_disabled(), "attention has no sign"
    note = opened.locator("article").nth(0).locator(".note").inner_text()
    assert "10 % of its attention went to language" in note


def test_two_methods_side_by_side(opened: Any) -> None:
    word(opened, 0).click()
    canvases = opened.locator("article").nth(0).locator("canvas")
    assert not canvases.nth(1).is_visible()
    opened.locator("#beside").select_option("attention")
    assert opened.locator("article").nth(0).locator("figcaption").all_inner_texts() == ["LRP", "attention"]
    boxes = [canvases.nth(i).bounding_box() for i in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    pixel = "document.querySelectorAll('article canvas')[1].getContext('2d').getImageData(10, 30, 1, 1).data"
    opened.wait_for_function(f"() => {pixel}[3] > 0")
    colour = opened.evaluate(f"[...{pixel}].slice(0, 3)")
    np.testing.assert_allclose(colour, palette(1, signed=False), atol=4)


def test_a_noun_is_shown_from_the_start(browser: Any, path: Path) -> None:
    page = browser.new_page()
    page.goto(path.as_uri())
    assert word(page, 1).get_attribute("aria-pressed") == "true", "'a' is a stop word"
    assert overlaid(page).max() > 0
    page.close()


def test_doubtful_objects_are_named_in_a_warning(browser: Any, tmp_path: Path) -> None:
    """An object of two words is one object."""
    report, photo = ReportPage(doubtful=0.4), explained(80, 120)
    photo.said, photo.support = ["hot", "dog", "cat"], [0.3, 0.3, 0.45]
    report.add("photo.jpg", Image.new("RGB", (120, 80), "gray"), photo)
    (tmp_path / "report.html").write_text(report.page("about"))
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    warnings = page.locator(".warning").all_inner_texts()
    page.close()
    assert warnings == ["Doubtful: “hot dog” (support 0.30). The photo may not show this."]


def test_an_address_leads_to_a_word(opened: Any, path: Path) -> None:
    word(opened, 1).click()
    assert opened.evaluate("location.hash") == "#photo-1-word-2-lrp"
    assert opened.get_by_text("link to this word").nth(0).get_attribute("href") == "#photo-1-word-2-lrp"
    opened.evaluate("location.hash = '#photo-12-word-3-attention'")
    opened.wait_for_function("() => document.querySelector('#method').value === 'attention'")
    assert word(opened, 2, photo=11).get_attribute("aria-pressed") == "true"
    assert opened.locator("article").nth(11).evaluate("(e) => e.getBoundingClientRect().top < innerHeight")
    opened.evaluate("location.hash = '#photo-99-word-1-lrp'")  # of no photo: nothing changes
    assert word(opened, 2, photo=11).get_attribute("aria-pressed") == "true"


def test_a_picture_of_a_word_is_saved(opened: Any) -> None:
    word(opened, 1).click()
    assert overlaid(opened).max() > 0
    with opened.expect_download() as download:
        opened.get_by_text("save this picture").nth(0).click()
    assert download.value.suggested_filename.endswith("_dog_lrp.png")
    with Image.open(download.value.path()) as saved:
        assert saved.size == (120, 80)
        left, right = (np.asarray(saved.convert("RGB"), int)[40, x] for x in (10, 100))
    assert left[2] > left[0] and right[0] > right[2], "blue against, red for"


def test_on_paper(opened: Any) -> None:
    opened.emulate_media(media="print", color_scheme="dark")
    assert not opened.locator("form").is_visible()
    assert np.mean(background(opened, opened.locator("body"))) > 250


def test_ranges(opened: Any) -> None:
    word(opened, 1).click()
    own = overlaid(opened)[..., 3].max()
    assert own == pytest.approx(255 * STRONGEST, abs=1)
    opened.get_by_text("all", exact=True).click()
    assert overlaid(opened)[..., 3].max() == pytest.approx(255 * STRONGEST * 0.1**0.5, abs=8)
    assert "2.0 for" in opened.locator(".legend").nth(0).inner_text()


def test_a_question_and_its_answer(opened: Any) -> None:
    article = opened.locator("article").nth(12)
    assert article.locator(".words > span").all_text_contents() == ["is", "it", "red"]
    assert article.locator(".words > button").all_text_contents() == ["yes"]
    article.locator(".words button").hover()
    np.testing.assert_allclose(background(opened, article.locator("span").nth(0)), palette(1), atol=4)
    assert overlaid(opened, 12).max() > 0


def test_texts_are_data(opened: Any) -> None:
    assert opened.title() == "What each word rests on"
    assert word(opened, 2).inner_text() == NASTY
    assert opened.locator("h2").nth(0).inner_text() == f"0{NASTY}.jpg"
    assert f"about {NASTY}" in opened.locator("header").inner_text()
    assert f"skipped {NASTY}" in opened.locator("footer").inner_text()
    assert opened.locator("img[src=x]").count() == 0


def test_far_photos_wait_until_they_come_near(opened: Any) -> None:
    opened.wait_for_function("() => document.querySelectorAll('article img')[0].naturalWidth > 0")
    waiting = "document.querySelectorAll('article .pictures').length"
    assert opened.evaluate(waiting) > 5
    opened.locator("article").nth(11).scroll_into_view_if_needed()
    opened.wait_for_function("() => document.querySelectorAll('article')[11].querySelector('img').naturalWidth > 0")
    word(opened, 0, photo=11).hover()
    assert overlaid(opened, 11).max() > 0


@pytest.mark.parametrize(("scheme", "bright"), [("light", True), ("dark", False)])
def test_follows_the_readers_colours(browser: Any, path: Path, scheme: str, bright: bool) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(path.as_uri())
    assert (np.mean(background(page, page.locator("body"))) > 128) == bright
    assert (np.mean(background(page, word(page, 2))) > 128) == bright
    page.close()


@pytest.mark.parametrize(("same_range", "chosen"), [(False, "own"), (True, "same")])
def test_begins_with_the_range_that_is_asked_for(same_range: bool, chosen: str) -> None:
    report = ReportPage(same_range)
    report.add("a.jpg", Image.new("RGB", (120, 80)), explained(80, 120))
    assert re.findall(r'name="range" value="(\w+)" checked', report.page("about")) == [chosen]


def test_objects_are_spoken_of_only_where_they_were_taken_out(path: Path) -> None:
    assert "Point at an object" not in path.read_text()


def test_is_small_and_whole(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!x\b)|url\(|@import|https?:""", text.replace(NASTY, ""))
    report = ReportPage()
    noise = np.random.default_rng(0).normal(size=(12, 240, 320)).astype(np.float32)
    photo = explained(240, 320)
    photo.said, photo.read, photo.context_length = ["a"] * 12, ["<start>", *["a"] * 11], list(range(1, 13))
    photo.maps, photo.words, photo.sentinel = {"lrp": noise}, {}, None
    report.add("a.jpg", Image.fromarray(np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), np.uint8)), photo)
    assert len(report.page("about")) < 700_000


def test_a_word_that_is_both_asked_and_answered_stands_twice() -> None:
    report, answer = ReportPage(), explained(80, 120)
    answer.read, answer.said, answer.context_length = ["is", "yes"], ["yes", "no"], [2, 2]
    answer.maps = {name: maps[:2] for name, maps in answer.maps.items()}
    answer.words, answer.sentinel = {}, None
    report.add("a.jpg", Image.new("RGB", (120, 80)), answer)
    assert '"tokens":[["is",null,0],["yes",null,1],["yes",0,null],["no",1,null]]' in report.page("about")


def test_numbers_of_the_page_are_those_given(path: Path) -> None:
    match = re.search(r'class="text">(.*?)</script>', path.read_text())
    assert match
    text = json.loads(match[1])
    lrp = text["methods"][1]
    np.testing.assert_allclose(lrp["limits"], [2, 0.2, 1])
    assert lrp["words"] == [[3, 0, 0], [1, -2, 0], [0.5, 4, -1]] and lrp["signed"]
    assert text["tokens"] == [["<start>", None, 0], ["a", 0, 1], ["dog", 1, 2], [NASTY, 2, None]]


def magnitudes() -> ExplainedPhoto:
    """A method without a sign, and attention whose left half is uniform and whose right has nine times that."""
    heat = np.where(np.arange(120) < 60, 0.01, 0.09) * np.ones((1, 80, 1))
    return ExplainedPhoto(
        np.full((80, 120, 3), 0.5),
        ["dog"],
        ["<start>"],
        [1],
        {"attention": heat.astype(np.float32), "saliency": np.abs(maps(80, 120)[:1])},
        words={"saliency": np.array([[2.0]])},
        uniform={"attention": 0.01},
        shares={"saliency": np.array([[0.75, 0.25]])},
    )


def test_magnitudes_and_attention_are_coloured_as_in_the_figures(browser: Any, tmp_path: Path) -> None:
    report = ReportPage()
    report.add("a.jpg", Image.new("RGB", (120, 80), "gray"), magnitudes())
    (tmp_path / "report.html").write_text(report.page("about"))
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    shown = overlaid(page)
    np.testing.assert_allclose(shown[30, 10, :3], palette(1, signed=False), atol=4)
    np.testing.assert_allclose(background(page, page.locator(".words > *").nth(0)), palette(1, signed=False), atol=4)
    legend = page.locator(".legend").inner_text()
    assert "pixels: magnitude" in legend and "words before it: magnitude" in legend and "against" not in legend
    assert "75 % of its relevance is image" in page.locator(".note").inner_text()
    page.locator("#method").select_option("attention")
    page.wait_for_function("() => document.querySelector('canvas').getAttribute('aria-label').includes('attention')")
    shown = overlaid(page)
    assert shown[30, 10, 3] == 0 and shown[30, 80, 3] == pytest.approx(255 * STRONGEST, abs=2)
    legend = page.locator(".legend").inner_text()
    assert "pixels: attention" in legend and "at most uniform" in legend and "9.0 × uniform" in legend
    page.close()
