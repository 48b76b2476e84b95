"""The app in a browser, as a user meets it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

import whysaid
from whysaid.assemble.caption_subject import CaptionSubject
from whysaid.data.inpainting.filling import fill_with_mean
from whysaid.data.instances import Instance
from whysaid.doors.app import kept_in

pytest.importorskip("gradio", reason="Gradio is not installed: pip install -e '.[app]'")

PATIENCE = 60_000
"""Milliseconds that an answer may take on a busy machine."""


@contextmanager
def listening(subject: whysaid.Subject, folder: str, **options: Any) -> Iterator[str]:
    """Where the app of a model listens."""
    from whysaid.app.acts import Acts
    from whysaid.app.filling import Filling
    from whysaid.app.page import CSS, THEME, build_page

    page = build_page(Acts(subject, Filling(fill_with_mean), folder, **options), [])
    page.queue(default_concurrency_limit=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        _, address, _ = page.launch(
            server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, css=CSS, theme=THEME, allowed_paths=[folder]
        )
        yield address
        page.close()


@pytest.fixture(scope="module")
def address(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the app of a captioner listens."""
    subject = whysaid.load(finished / "checkpoints" / "best.ckpt")
    with listening(subject, str(tmp_path_factory.mktemp("app"))) as address:
        yield address


@pytest.fixture(scope="module")
def equipped(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where that of a captioner listens whose words have a support, with a detector."""
    subject = whysaid.load(finished / "checkpoints" / "best.ckpt")
    assert isinstance(subject, CaptionSubject)
    subject.support = EveryOther()  # type: ignore[assignment]
    with listening(subject, str(tmp_path_factory.mktemp("equipped")), detector=Halves()) as address:
        yield address


class Halves:
    """Finds a cat in the left half of every photo, and another in the middle of that."""

    categories = ("cat",)

    def __call__(self, photo: Image.Image, device: object = "cpu") -> list[Instance]:
        size, half = (photo.height, photo.width), photo.width / 2
        boxes = (0.0, 0.0, half, float(photo.height)), (half / 4, photo.height / 4, half / 2, photo.height / 2)
        return [Instance(i + 1, "cat", box, size) for i, box in enumerate(boxes)]


class EveryOther:
    """Finds one word doubtful, the next one not, and so on."""

    probe = None

    def of_words(self, words: list[str], evidence: object) -> list[float | None]:
        return [0.9 if place % 2 else 0.2 for place in range(len(words))]


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Two photos, a wide one and a tall one."""
    draw = np.random.default_rng(0)
    paths = [tmp_path / "wide.png", tmp_path / "tall.png"]
    for path, shape in zip(paths, ((40, 60, 3), (60, 40, 3)), strict=True):
        Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return list(map(str, paths))


Open = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Open]:
    """Opens the app as another user each time; in the end, no page has asked anything of another machine."""
    contexts, requests = [], []

    def open_page(at: str = address, **settings: Any) -> Any:
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(at)
        page.wait_for_selector("#photo input[type=file]", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    foreign = [url for url in requests if not url.startswith((address, "data:", "blob:", "http://127.0.0.1"))]
    assert foreign == []


def give(page: Any, photo: str) -> None:
    """Uploads a photo and waits for its first map."""
    page.set_input_files("#photo input[type=file]", photo)
    page.wait_for_selector("#first-map img")


def source(page: Any, name: str) -> str:
    """The address of a picture that is shown."""
    address: str = page.locator(f"#{name} img").get_attribute("src")
    return address


def await_other(page: Any, name: str, former: str) -> None:
    """Waits until another picture stands in the place of a former one."""
    page.wait_for_function(
        "([name, former]) => { const shown = document.querySelector(`#${name} img`); "
        "return shown && shown.getAttribute('src') !== former }",
        arg=[name, former],
    )


def test_a_photo_is_captioned_and_another_word_explained(opened: Open, photos: list[str]) -> None:
    page = opened()
    give(page, photos[0])
    words = page.locator("#word label").all_inner_texts()
    assert page.locator("#said .said").inner_text().split() == [word.strip() for word in words]
    assert page.locator("#second-map").inner_text().strip().startswith("attention")
    former = source(page, "first-map")
    page.locator("#word label").first.click()
    await_other(page, "first-map", former)
    assert page.locator("#read .read span").all_inner_texts() == ["<start>"], "the first word has read nothing else"


def test_the_keyboard_alone_reaches_another_word(opened: Open, photos: list[str]) -> None:
    page = opened()
    give(page, photos[0])
    former = source(page, "first-map")
    page.locator("#word input:checked").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    await_other(page, "first-map", former)


def test_a_painted_region_is_asked_about_and_taken_out(opened: Open, photos: list[str]) -> None:
    page = opened(viewport={"width": 1200, "height": 1600})
    give(page, photos[0])
    canvas = page.locator("#painting canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 30, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    page.wait_for_timeout(1500)  # the editor sends its layers a moment later
    page.get_by_role("button", name="Which words rest on it?").click()
    page.wait_for_selector("#shares tr")
    assert page.locator("#shares tr").count() == page.locator("#word label").count()
    page.get_by_role("button", name="Take it out").click()
    page.wait_for_selector("#filled img")
    assert page.locator("#without .said").inner_text()


def test_a_found_object_is_clicked_or_chosen_by_keys(opened: Open, equipped: str, photos: list[str]) -> None:
    page = opened(equipped, viewport={"width": 390, "height": 844})
    give(page, photos[0])
    page.get_by_role("button", name="Find objects to click").click()
    page.wait_for_selector("#found img")
    assert page.locator("#chosen label").all_inner_texts() == ["what I paint", "cat 1", "cat 2"]
    former = source(page, "found")
    box = page.locator("#found img").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    await_other(page, "found", former)
    assert page.locator("#chosen label:has(input:checked)").inner_text() == "cat 2", "the smaller one is in front"
    page.get_by_role("button", name="Take it out").click()
    page.wait_for_selector("#filled img")
    former = source(page, "found")
    page.locator("#chosen input:checked").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    await_other(page, "found", former)
    assert page.locator("#chosen label:has(input:checked)").inner_text() == "cat 1"
    page.get_by_role("button", name="Which words rest on it?").click()
    page.wait_for_selector("#shares tr")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    give_another(page, photos[1])
    assert not page.locator("#found").is_visible() and not page.locator("#chosen").is_visible()


def give_another(page: Any, photo: str) -> None:
    """Uploads a photo in the place of an earlier one, and waits for its map."""
    former = source(page, "first-map")
    page.get_by_role("button", name="Remove Image").click()
    page.wait_for_selector("#photo input[type=file]", state="attached")
    give(page, photo)
    await_other(page, "first-map", former)


def test_without_a_detector_nothing_is_found(opened: Open, photos: list[str]) -> None:
    page = opened()
    give(page, photos[0])
    assert page.get_by_role("button", name="Find objects to click").count() == 0


def test_nothing_painted_is_said_so(opened: Open, photos: list[str]) -> None:
    page = opened()
    give(page, photos[0])
    page.get_by_role("button", name="Take it out").click()
    page.get_by_text("no region is painted").wait_for()


def ask_why_not(page: Any) -> tuple[str, str]:
    """Changes the first word that is said, and waits for the map; gives both words."""
    page.get_by_role("tab", name="Ask the words").click()
    field = page.locator("#other textarea, #other input[type=text]").first
    said = field.input_value().split()
    other = next(word for word in ("house", "ball", "a") if word != said[0])
    field.fill(" ".join([other, *said[1:]]))
    page.get_by_role("button", name="Why this rather than that?").click()
    page.wait_for_selector("#rather-map img")
    return said[0], other


def test_why_this_rather_than_that(opened: Open, photos: list[str]) -> None:
    page = opened()
    give(page, photos[0])
    said, other = ask_why_not(page)
    assert page.locator("#rather").inner_text().strip() == f"{said} rather than {other}"
    page.locator("#other textarea, #other input[type=text]").first.fill("qwertz")
    page.get_by_role("button", name="Why this rather than that?").click()
    page.get_by_text("not in the captioner's vocabulary").wait_for()


def test_the_report_is_made(opened: Open, photos: list[str], tmp_path: Path) -> None:
    page = opened()
    give(page, photos[0])
    page.get_by_role("button", name="Take it with you").click()
    page.get_by_role("button", name="Make the report").click()
    page.get_by_role("button", name="Download the report").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    download.value.save_as(tmp_path / "report.html")
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")
    command = page.locator("#command").inner_text()
    assert "src.explain" in command and "attribution=[lrp,attention]" in command


def test_a_new_photo_leaves_nothing_of_the_former(opened: Open, photos: list[str]) -> None:
    """Neither its report nor what was asked about its words."""
    page = opened()
    give(page, photos[0])
    ask_why_not(page)
    page.get_by_role("button", name="Take it with you").click()
    page.get_by_role("button", name="Make the report").click()
    page.get_by_role("button", name="Download the report").wait_for()
    former = source(page, "first-map")
    page.locator("#photo").get_by_role("button", name="Remove Image").click()
    give(page, photos[1])
    await_other(page, "first-map", former)
    page.get_by_role("button", name="Make the report").wait_for()
    assert not page.locator("#rather").inner_text().strip()


def test_two_users_do_not_meet(opened: Open, photos: list[str]) -> None:
    first, second = opened(), opened()
    give(first, photos[0])
    give(second, photos[1])
    former = source(first, "first-map")
    first.locator("#word label").first.click()
    await_other(first, "first-map", former)
    sizes = [
        page.evaluate(
            "async () => { const shown = document.querySelector('#first-map img'); await shown.decode(); "
            "return [shown.naturalWidth, shown.naturalHeight] }"
        )
        for page in (first, second)
    ]
    assert sizes[0][0] > sizes[0][1] and sizes[1][0] < sizes[1][1]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_fits_a_phone(opened: Open, photos: list[str], scheme: str) -> None:
    page = opened(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    give(page, photos[1])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


CONTRAST = """named => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const clear = (element) => (numbers(getComputedStyle(element).backgroundColor)[3] ?? 1) === 0;
  let ground = named;
  while (ground.parentElement && clear(ground)) ground = ground.parentElement;
  const [a, b] = [getComputedStyle(named).color, getComputedStyle(ground).backgroundColor].map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""
"""Contrast of an element's text with what it stands on, by WCAG 2."""


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [390, 1200])
def test_support_is_seen_without_a_pointer(
    opened: Open, equipped: str, photos: list[str], scheme: str, width: int
) -> None:
    """Words are underlined by it, the number stands beneath, and doubtful words are named: readable, and on a phone."""
    page = opened(equipped, viewport={"width": width, "height": 844}, color_scheme=scheme)
    give(page, photos[1])
    words = page.locator("#word label").all_inner_texts()
    named = page.locator("#said .named")
    assert named.count() == len(words) and page.locator("#said .named.doubtful").count() == -(-len(words) // 2)
    assert page.locator("#said small").first.inner_text() == "0.20"
    bars = page.locator("#said .named > span").evaluate_all(
        "spans => spans.map(span => [getComputedStyle(span).backgroundSize, getComputedStyle(span).backgroundImage])"
    )
    assert bars[0][0].startswith("20%") and "repeating" in bars[0][1]
    assert len(words) == 1 or (bars[1][0].startswith("90%") and "repeating" not in bars[1][1])
    for shown in page.locator("#said small, #said .legend, #said .doubts").all():
        box = shown.bounding_box()
        assert shown.is_visible() and box["x"] >= 0 and box["x"] + box["width"] <= width
        assert shown.evaluate(CONTRAST) >= 4.5
    assert page.locator("#said .doubts[role=note]").inner_text().startswith("Doubtful: “")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_broken_file_is_said_so_and_the_next_one_read(opened: Open, photos: list[str], tmp_path: Path) -> None:
    page = opened()
    (tmp_path / "broken.png").write_bytes(b"no picture at all")
    page.set_input_files("#photo input[type=file]", str(tmp_path / "broken.png"))
    page.get_by_text("cannot be read as an image").wait_for()
    assert page.locator("#first-map img").count() == 0
    page.reload()
    page.wait_for_selector("#photo input[type=file]", state="attached")
    give(page, photos[0])


@pytest.mark.parametrize(
    ("keep", "folder"), [(None, None), ("true", "runs/app"), (True, "runs/app"), ("false", None), ("my/own", "my/own")]
)
def test_where_uploads_are_kept(keep: object, folder: str | None) -> None:
    assert kept_in(OmegaConf.create({"keep": keep, "paths": {"output_dir": "runs"}})) == folder
