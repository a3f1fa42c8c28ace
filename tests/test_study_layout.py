"""The study page on a phone, by keyboard, for a screen reader, without JavaScript and on paper."""

# ruff: noqa: F401, F811 - some of what is imported are fixtures, which arguments name

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from study_browser import LAPTOP, PHONE, browser, in_view, page_file, tab, visible, visit

pytestmark = pytest.mark.slow

# Of elements that are alike axe looks at a few.
FEW = """() => {
    for (const many of ['article.step:not(#step-z1, #step-dh1)', 'article.hard:not(#hard-copy)',
        '#activations figure:not(:first-child)', 'article.mistake[hidden]'])
        for (const each of document.querySelectorAll(many)) each.remove();
}"""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_overflows_a_phone(visit, language):
    page = visit(f"?lang={language}", size=PHONE)
    page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true; })")
    page.evaluate("document.querySelectorAll('.mistake').forEach(each => { each.hidden = false; })")
    page.evaluate("document.querySelectorAll('[data-activation]').forEach(each => { each.hidden = false; })")
    for width in (320, 360):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("dispatchEvent(new Event('resize'))")
        # The reader's fonts may take a pixel more.
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width + 1, width
    # Matrices side by side do not run into each other, either.
    assert page.evaluate(
        """() => [...document.querySelectorAll('td > table.m, td > div > table.m')]
            .filter(each => each.getClientRects().length)
            .filter(each => each.getBoundingClientRect().right
                > each.parentNode.closest('td').getBoundingClientRect().right + 1)
            .map(each => each.dataset.key ?? each.closest('[id]').id)"""
    ) == []  # fmt: skip


def test_few_tab_stops_before_the_content(visit):
    page = visit()
    stops = page.evaluate(
        """() => {
            const play = document.getElementById('play');
            return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
                .filter(each => each.tabIndex >= 0 && !each.disabled)
                .filter(each => each.checkVisibility({ contentVisibilityAuto: true }))
                .filter(each => each.compareDocumentPosition(play) & Node.DOCUMENT_POSITION_FOLLOWING).length;
        }"""
    )
    assert stops <= 8


def test_contents_are_reached_from_anywhere(visit):
    page = visit(size=PHONE)
    page.locator("#shards").evaluate("each => each.scrollIntoView()")
    page.locator("#menu summary").click()
    page.get_by_role("link", name="Step by step").click()
    assert in_view(page, "#steps-title") > 10
    expect(page.locator("#menu")).not_to_have_attribute("open", "")


@pytest.mark.parametrize(
    ("size", "language", "scheme"), [(LAPTOP, "en", "light"), (PHONE, "zh", "dark")], ids=str
)
def test_axe_finds_nothing(visit, size, language, scheme):
    page = visit(f"?lang={language}", size=size, color_scheme=scheme)
    page.locator("#edit").click()
    page.locator('table.m[data-key="z1/z1"] td').first.click()
    page.evaluate(FEW)
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found] == []


def test_without_javascript_everything_can_be_read(visit):
    page = visit(java_script_enabled=False)
    for selector, least in (("article.mistake", 20), ("article.step", 11), ("math", 100)):
        assert visible(page, selector) >= least
    assert visible(page, "main button") == 0
    page.get_by_text("中文", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("反向传播的两种推导", use_inner_text=True)


def test_paper_has_both_sides_and_no_controls(visit):
    page = visit(size=(700, 1000))
    page.emulate_media(media="print")
    assert [visible(page, selector) for selector in ("button", "article.step", ".mistake")] == [0, 11, 1]
    hand, machine = (page.locator(f"#step-dh1 .{side}").bounding_box() for side in ("hand", "machine"))
    assert hand["y"] == machine["y"]
    assert hand["x"] + hand["width"] < machine["x"]
