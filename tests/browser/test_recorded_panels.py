"""The built site without a kernel and without a network: its panels move, and say what is true."""

import base64
import io
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from course_lib.chapters import CHAPTERS
from course_lib.simulations import SIMULATIONS
from grading.paths import released_notebook
from tests.browser.recorded_panel import RecordedPanel
from tests.site.conftest import sampled as sampled
from tests.site.conftest import site as site

pytestmark = pytest.mark.browser

#: Milliseconds to a new picture whose files are at hand.
_STEP = 50
_SEVERE = ("serious", "critical")
_WIDE = {"width": 1400, "height": 900}
_NARROW = {"width": 360, "height": 740}
_CHAPTERS = {
    name: chapter
    for chapter in CHAPTERS
    for name in re.findall(r'panel\(\\"(\w+)\\"', released_notebook(chapter).read_text())
}
each_panel = pytest.mark.parametrize("panel", SIMULATIONS, indirect=True, scope="module")


@pytest.fixture(scope="module")
def offline(chromium: Browser) -> Iterator[Page]:
    """A page that reaches no network; anything it asks for elsewhere is noted."""
    context = chromium.new_context(viewport=_WIDE)
    context.set_offline(True)
    page = context.new_page()
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


def _open(page: Page, site: Path, name: str, sampled: dict) -> RecordedPanel:
    page.asked.clear()
    page.goto((site / "notebooks" / f"{_CHAPTERS[name].id}.html").as_uri())
    return RecordedPanel(page, sampled[name])


@pytest.fixture(scope="module")
def panel(
    request: pytest.FixtureRequest, offline: Page, site: Path, sampled: dict
) -> RecordedPanel:
    """A panel, named by the parameter, in its chapter: for the tests of each panel, in turn."""
    return _open(offline, site, request.param, sampled)


@each_panel
def test_every_control_moves_picture_and_sentence_by_key_and_mouse(panel, offline):
    panel.press("Reset")
    expect(panel.sentence).to_have_text(_opening(panel))
    opening = panel.picture.screenshot()
    for how in (panel.key, panel.click):
        for dim in panel.dimensions:
            start = panel.stop(dim)
            stop = panel.last_stop(dim) if start == 0 else 0
            how(dim, stop)
            words = {row.sentence for row in panel.rows_at(dim, stop)}
            expect(panel.sentence).not_to_have_text(_opening(panel))
            expect(panel.sentence).to_have_text(re.compile("|".join(map(_whole, words))))
            assert panel.stop(dim) == stop, dim.name
            assert panel.picture.screenshot() != opening, dim.name
            shown = panel.sentence.inner_text()
            assert panel.picture.locator("canvas").get_attribute("aria-label") == shown
            panel.press("Reset")
            expect(panel.sentence).to_have_text(_opening(panel))
    assert panel.picture.screenshot() == opening, "Reset brings back the sentence alone"
    assert offline.complaints == []
    assert [url for url in offline.asked if not url.startswith(("file:", "data:"))] == []


@each_panel
def test_what_the_chapter_claims_can_be_seen(panel):
    from claims import CLAIMS

    for claim in (each for each in CLAIMS if each.panel == panel.recording.name):
        panel.press("Reset")
        if claim.preset:
            panel.press(claim.preset)
        panel.set(claim.settings, claim.frame)
        for words in claim.shows:
            expect(panel.sentence).to_have_text(re.compile(words))


@each_panel
def test_what_is_not_recorded_says_so_and_leads_to_colab(panel):
    recorded = {dim.name for dim in panel.dimensions}
    for row in panel.root.locator("[data-control]").all():
        if row.get_attribute("data-control") not in recorded:
            expect(row).to_contain_text("not recorded on this page")
            assert "colab" in row.get_by_role("link").get_attribute("href")
    assert "colab" in panel.root.locator("figcaption a").get_attribute("href")


@pytest.mark.parametrize("name", ["dashboard", "optimizer_race"])
def test_a_live_run_is_a_film(offline, site, sampled, name):
    panel = _open(offline, site, name, sampled)
    (film,) = [dim for dim in panel.dimensions if dim.name == "film"]
    panel.press("Train")
    expect(panel.root.get_by_role("button", name="Pause")).to_be_visible()
    panel.press("Pause")
    expect(panel.root.get_by_role("button", name="Train")).to_be_visible()
    paused = panel.stop(film)
    panel.press("Step")
    assert panel.stop(film) > paused
    panel.key(film, 0)
    first = panel.sentence.inner_text()
    panel.press("Train")  # plays to its end by itself
    expect(panel.root.get_by_role("button", name="Pause")).to_be_visible()
    expect(panel.root.get_by_role("button", name="Train")).to_be_visible()
    assert panel.stop(film) > paused
    assert panel.sentence.inner_text() != first
    panel.press("Reset")
    expect(panel.sentence).to_have_text(_opening(panel))


def test_a_screen_reader_hears_the_sentence_where_the_panel_comes_to_rest(offline, site, sampled):
    panel = _open(offline, site, "zero_grad", sampled)
    (dim,) = panel.dimensions
    panel.key(dim, 0)
    expect(panel.sentence).not_to_have_text(_opening(panel))
    news = panel.root.locator('.course-news[role="status"]')
    expect(news).to_have_text(panel.sentence.inner_text())


def test_the_picture_on_a_server_is_exact_and_quick(chromium, site, sampled):
    """From a subfolder of a web server; from a disk, a page may not read its own pixels."""
    import pixels

    handler = partial(SimpleHTTPRequestHandler, directory=site.parent)
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.new_page(viewport=_WIDE)
        address = f"http://127.0.0.1:{server.server_port}/{site.name}"
        page.goto(f"{address}/notebooks/{_CHAPTERS['run_gone_wrong'].id}.html")
        panel = RecordedPanel(page, sampled["run_gone_wrong"])
        dim = next(dim for dim in panel.dimensions if dim.name == "step")
        stop = dim.values.index(47)
        panel.set({"step": 47}, None)
        expect(panel.sentence).to_have_text(re.compile("At step 47 "))
        data = panel.picture.locator("canvas").evaluate("canvas => canvas.toDataURL()")
        with Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))) as image:
            shown = pixels.from_rgba(np.asarray(image.convert("RGBA")))
        (row,) = [
            each
            for each in panel.rows_at(dim, stop)
            if each.sentence == panel.sentence.inner_text()
        ]
        assert np.array_equal(shown, pixels.decode(sampled["run_gone_wrong"].stack(row)))
        took = panel.root.evaluate(_TIME_OF_A_STEP)
        page.close()
        server.shutdown()
    assert sorted(took)[len(took) // 2] < _STEP


#: Milliseconds from the slider's event to the new sentence, which comes with the picture; back and
#: forth between two places that were both shown before.
_TIME_OF_A_STEP = """async (figure) => {
    const slider = figure.querySelector('[data-control="step"] input');
    const sentence = figure.querySelector(".course-sentence");
    const move = (value) => new Promise((resolve) => {
        const begin = performance.now();
        new MutationObserver((_, observer) => {
            observer.disconnect();
            resolve(performance.now() - begin);
        }).observe(sentence, {childList: true});
        slider.value = value;
        slider.dispatchEvent(new Event("input"));
    });
    const here = Number(slider.value);
    await move(here + 1);
    await move(here);
    const took = [];
    for (let i = 0; i < 20; i++) took.push(await move(here + (i + 1) % 2));
    return took;
}"""


def test_quizzes_and_predictions_answer_by_keyboard(offline, site):
    offline.goto((site / "notebooks" / "02_loss_functions.html").as_uri())
    press, page = offline.keyboard.press, offline.locator
    quiz, form = page("[data-quiz=q02_1]"), page("form[data-prediction=p02_2]")
    right = quiz.get_attribute("data-key")
    wrong = next(letter for letter in "ABCD" if letter != right)
    for letter, shown in ((wrong, 1), (right, 4)):
        quiz.get_by_role("button", name=letter, exact=True).focus()
        press("Enter")
        expect(quiz.locator("li:visible")).to_have_count(shown)
    expect(quiz.get_by_role("status")).to_contain_text(f"{right} is right: ")
    form.get_by_role("textbox").focus()
    press("Enter")
    expect(form.get_by_role("status")).to_have_text("Choose or write something first.")
    offline.keyboard.type("0.1")
    press("Enter")
    expect(form.get_by_role("status")).to_contain_text('You expected "0.1"; it was: 0.0867.')
    expect(form.get_by_role("button")).to_be_disabled()
    assert offline.complaints == []


@pytest.mark.parametrize(
    ("look", "size"), [("light", _WIDE), ("dark", _NARROW)], ids=["wide, light", "narrow, dark"]
)
def test_pages_with_panels_are_accessible(chromium, site, look, size):
    """A telephone's width is also what 400 % zoom leaves of a usual window."""
    context = chromium.new_context(viewport=size, color_scheme=look)
    page = context.new_page()
    found = []
    for path in (site / "index.html", *sorted((site / "notebooks").glob("*.html"))):
        page.goto(path.as_uri())
        expect(page.locator("figure[data-started]").first).to_be_visible()
        page.evaluate(_ONE_OF_EACH_COLOUR)
        result = Axe().run(page, {"include": [["article"]]}, {"resultTypes": ["violations"]})
        found += [
            f"{path.name}: {rule['id']} {node['target']} {node['html'][:120]}"
            for rule in result.response["violations"]
            for node in rule["nodes"]
            if node["impact"] in _SEVERE
        ]
        found += [f"{path.name}: {words}" for words in page.evaluate(_OUT_OF_SIGHT)]
    context.close()
    assert found == []


#: Of the coloured words of the code, thousands to a page, axe looks at the first of each kind: at all of
#: them it takes three times as long, and says the same.
_ONE_OF_EACH_COLOUR = """() => {
    const seen = new Set();
    for (const word of document.querySelectorAll("article pre span")) {
        const kind = `${word.parentElement.className} / ${word.className}`;
        if (seen.has(kind)) word.replaceWith(...word.childNodes);
        seen.add(kind);
    }
}"""

#: Controls of which some part is beyond the edge of their panel, and a page that moves sideways.
_OUT_OF_SIGHT = """() => [...document.querySelectorAll("figure[data-panel]")].flatMap((figure) => {
    const edge = figure.getBoundingClientRect();
    return [...figure.querySelectorAll("button, select, input, output")]
        .filter((control) => {
            const box = control.getBoundingClientRect();
            return box.width === 0 || box.left < edge.left - 2 || box.right > edge.right + 2;
        })
        .map((control) => control.outerHTML.slice(0, 100));
})
.concat(document.documentElement.scrollWidth > innerWidth ? ["moves sideways"] : [])"""


def test_an_exported_chapter_moves(offline, sampled, tmp_path):
    from export import RecordedPanels, export

    file = tmp_path / "chapter.html"
    export(_CHAPTERS["zero_grad"].id, file, RecordedPanels(recordings=sampled))
    offline.asked.clear()
    offline.goto(file.as_uri())
    panel = RecordedPanel(offline, sampled["zero_grad"])
    panel.set({"lr": 0.001}, None)
    expect(panel.sentence).to_have_text(re.compile("the loss ends lower"))
    expect(panel.picture.locator("canvas")).to_be_visible()


def test_the_first_screen_of_the_start_page_moves(offline, site, sampled):
    offline.goto((site / "index.html").as_uri())
    panel = RecordedPanel(offline, sampled["run_gone_wrong"])
    step = next(dim for dim in panel.dimensions if dim.name == "step")
    box = panel.row_of(step).locator("input").bounding_box()
    assert box["y"] + box["height"] < _WIDE["height"]
    assert panel.picture.bounding_box()["y"] < _WIDE["height"] / 2
    panel.set({"step": 47}, None)
    expect(panel.sentence).to_have_text(re.compile(r"At step 47 the loss is 1\d\d"))


def _opening(panel: RecordedPanel) -> str:
    recording = panel.recording
    return next(row.sentence for row in recording.rows if row.moment == recording.start)


def _whole(sentence: str) -> str:
    return f"^{re.escape(sentence)}$"
