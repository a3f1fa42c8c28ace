"""The study page in a real browser: both languages, the walk, the mistakes, any width, and no JavaScript."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from autograd_ref.study.mistaken_networks import break_it, mistakes

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        hint = "no Chromium on this machine; to get it: apt-get install chromium"
        pytest.fail(hint) if os.environ.get("HANDGRAD_REQUIRE_BROWSER") else pytest.skip(hint)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_file(browser, tmp_path_factory):
    """Built by the command, as users build it, and only where there is a browser to look at it."""
    folder = tmp_path_factory.mktemp("study")
    command = [
        sys.executable,
        "-c",
        "from handgrad.cli.main import main; main()",
        "study",
        "--out",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{folder / 'index.html'}\n"
    return folder / "index.html"


@pytest.fixture
def visit(browser, page_file):
    """Opens the page; at the end nothing may have gone wrong, and nothing may have been fetched."""
    pages, faults = [], []

    def visit(query="", *, width=1280, **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, reduced_motion="reduce", **options)
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        address = page_file.as_uri()
        page.on(
            "request",
            lambda request: request.url.startswith(("data:", address)) or faults.append(request.url),
        )
        page.goto(address + query)
        pages.append(page)
        return page

    yield visit
    for page in pages:
        page.close()
    assert faults == []


# Of elements that are alike axe looks at a few.
FEW = """() => {
    for (const many of ['article.step:not(#step-z1, #step-dh1)', 'article.hard:not(#hard-copy)',
        '#activations figure:not(:first-child)', 'article.mistake[hidden]'])
        for (const each of document.querySelectorAll(many)) each.remove();
}"""


def visible(page, selector):
    return page.eval_on_selector_all(
        selector, "all => all.filter(each => each.getClientRects().length).length"
    )


def lit(page):
    return page.eval_on_selector_all(".lit", "found => found.map(each => [each.dataset.q, each.localName])")


def test_it_is_one_small_file(page_file):
    text = page_file.read_text(encoding="utf-8")
    assert 100_000 < len(text.encode()) < 2_000_000
    assert not re.search(r"""(src|href)="(?!#|data:)|@import|url\((?!#)""", text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_text_stands_there_in_both_languages(visit, language):
    page = visit(f"?lang={language}")
    assert page.evaluate(
        """() => [...document.querySelectorAll('.en')].filter(each => {
            const other = each.nextElementSibling;
            return !other?.classList.contains('zh') || !other.textContent.trim() || !each.textContent.trim();
        }).map(each => each.textContent)"""
    ) == []  # fmt: skip
    assert page.locator('.zh p[lang="en"]').all_text_contents() == [], "not in zh.toml's [derivations]"
    hidden = {"en": "zh", "zh": "en"}[language]
    assert visible(page, f".{hidden}") == 0
    expect(page.get_by_role("heading", level=1)).to_have_text(
        re.compile("反向传播" if language == "zh" else "Backpropagation")
    )
    assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-Hans"}[language]
    chinese = page.evaluate("document.querySelector('main').innerText.match(/，/g)?.length ?? 0")
    assert chinese > 100 if language == "zh" else chinese == 0


def test_the_switch_changes_the_language_and_the_address(visit):
    page = visit()
    page.get_by_text("简体中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("反向传播的两种推导", use_inner_text=True)
    assert page.url.endswith("?lang=zh")
    assert page.title() == "反向传播的两种推导 · handgrad"


def test_the_walk_steps_by_keys_and_by_buttons_and_the_row_follows(visit):
    page = visit()
    rows = page.locator("article.step")
    current, position = page.locator("article.step.current"), page.get_by_role("status")
    assert current.count() == 0
    page.keyboard.press("ArrowRight")
    expect(current).to_have_id("step-z1")
    expect(position).to_contain_text(f"1/{rows.count()} · Into the hidden layer", use_inner_text=True)
    expect(page.locator("#walk .across .node.now")).to_have_text("z1")
    for _ in range(6):
        page.get_by_role("button", name="Next step").click()
    expect(current).to_have_id("step-dh1")
    expect(page.locator("#walk .across .node.now")).to_have_text(["dh1", "dW2", "db2"])
    expect(current).to_be_in_viewport()
    page.keyboard.press("ArrowLeft")
    expect(current).to_have_id("step-dscores")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(current).to_have_id("step-dW1_penalty")
    expect(page.get_by_role("button", name="Next step")).to_be_disabled()
    page.get_by_role("button", name="Play").click()
    expect(current).to_have_id("step-z1")
    page.get_by_role("button", name="Pause").click()


def test_a_quantity_is_marked_everywhere_by_the_keyboard_and_by_the_mouse(visit):
    page = visit()
    page.locator("#step-dh1 a.q[data-q=dscores]").focus()
    assert {name for name, _ in lit(page)} == {"dscores"}
    for place in (
        "#walk .across",
        "#broken .across",
        "#step-dh1 .derivation",
        "#step-dh1 pre",
        "#step-dh1 .jaxpr",
    ):
        assert page.locator(f"{place} .lit").count() > 0, place
    page.locator("#step-dz1 .jaxpr [data-q=z1]").first.hover()
    assert {name for name, _ in lit(page)} == {"z1"}


@pytest.mark.parametrize("chosen", ["relu-mask-missing", "bias-scalar"])
def test_a_chosen_mistake_shows_the_numbers_of_the_checkers_json(visit, chosen):
    page = visit()
    page.locator(f"a[data-mistake={chosen}]").click()
    shown = page.locator("article.mistake:visible")
    expect(shown).to_have_id(f"mistake-{chosen}")
    broken = break_it(next(each for each in mistakes() if each.id == chosen))
    expect(shown.locator("samp")).to_contain_text(broken.whole.diagnosis[0].text)
    reports = [broken.whole.to_json(), broken.stages.to_json() if broken.stages else {"quantities": []}]
    for report, wanted in zip(reports, (("max_rel", "bound_units"), ("bound_units",)), strict=True):
        for quantity in report["quantities"]:
            row = shown.locator(f"tr[data-quantity={quantity['name']}]")
            if quantity["problem"] is not None:
                expect(row).to_contain_text(quantity["problem"])
                continue
            values = row.locator("data").evaluate_all("found => found.map(each => Number(each.value))")
            numbers = values[:2] if report is reports[0] else values[-1:]
            assert numbers == [quantity[name] for name in wanted]
            assert row.locator("td.wrong").count() > 0 or quantity["ok"]
    wrong = {quantity["name"] for quantity in reports[0]["quantities"] if not quantity["ok"]}
    red = page.locator("#broken .across .node:is(.wrong, .spoiled)").evaluate_all(
        "all => all.map(x => x.dataset.q)"
    )
    assert wrong <= set(red)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_overflows_a_phone(visit, language):
    page = visit(f"?lang={language}", width=360)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.evaluate("document.querySelectorAll('.mistake').forEach(each => { each.hidden = false; })")
    assert page.evaluate("document.scrollingElement.scrollWidth") == 360
    assert page.evaluate(
        """() => [...document.querySelectorAll('main *')]
            .filter(each => each.getBoundingClientRect().right > 360.5 && each.getClientRects().length)
            .map(each => `${each.localName} in ${each.closest('[id]').id}: ${each.textContent}`)"""
    ) == []  # fmt: skip


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh", "dark")])
def test_axe_finds_nothing_serious(visit, language, scheme):
    page = visit(f"?lang={language}", color_scheme=scheme)
    page.keyboard.press("ArrowRight")
    page.evaluate(FEW)
    found = Axe().run(page).response["violations"]
    serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in serious] == []


def test_without_javascript_only_the_play_is_lost(visit):
    page = visit(java_script_enabled=False)
    for selector, least in (("article.mistake", 20), ("article.step", 11), ("math", 100)):
        assert visible(page, selector) >= least
    assert visible(page, "button") == 0
    page.get_by_text("简体中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("反向传播的两种推导", use_inner_text=True)


def test_on_paper_there_are_no_controls_and_all_steps(visit):
    page = visit()
    page.emulate_media(media="print")
    assert [visible(page, selector) for selector in ("button", "article.step", ".mistake")] == [0, 11, 1]
