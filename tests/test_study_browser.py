"""The study page in a real browser: language, picture, keys, numbers, mistakes."""

# ruff: noqa: F401, F811 - some of what is imported are fixtures, which arguments name

import re
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import expect
from study_browser import DESK, LAPTOP, PHONE, browser, in_view, page_file, tab, visible, visit

from autograd_ref.study.example import worked_problem
from autograd_ref.study.mistaken_networks import break_it
from autograd_ref.study.numbers import page_numbers
from autograd_ref.study.program import slip_ups
from autograd_ref.study.rendering.matrices import number
from autograd_ref.study.source import read_steps

pytestmark = pytest.mark.slow


def shown(page, key):
    """The entries of the matrices with a key, as they are read."""
    cells = page.locator(f'table.m[data-key="{key}"]').first.locator("td")
    return [text.replace("−", "-") for text in cells.all_text_contents()]


def expected(numbers, key):
    return [number(value).replace("−", "-") for value in np.atleast_2d(numbers[key]).ravel()]


def test_page_is_one_small_file(page_file):
    text = page_file.read_text(encoding="utf-8")
    assert 100_000 < len(text.encode()) < 2_000_000
    assert not re.search(r"""(src|href)="(?!#|data:)|@import|url\((?!#)""", text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_text_is_there_in_both_languages(visit, language):
    page = visit(f"?lang={language}")
    assert page.evaluate(
        """() => [...document.querySelectorAll('.en')].filter(each => {
            const other = each.nextElementSibling;
            return !other?.classList.contains('zh') || !other.textContent.trim() || !each.textContent.trim();
        }).map(each => each.textContent)"""
    ) == []  # fmt: skip
    assert page.locator('.zh p[lang="en"]').all_text_contents() == [], "not in zh/derivations.toml"
    hidden = {"en": "zh", "zh": "en"}[language]
    assert visible(page, f".{hidden}") == 0
    expect(page.get_by_role("heading", level=1)).to_have_text(
        re.compile("反向传播" if language == "zh" else "Backpropagation")
    )
    assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-Hans"}[language]
    chinese = page.evaluate("document.querySelector('main').innerText.match(/，/g)?.length ?? 0")
    assert chinese > 100 if language == "zh" else chinese == 0


@pytest.mark.parametrize(("locale", "title"), [("zh-CN", "反向传播"), ("fr-FR", "Backpropagation")])
def test_language_follows_the_browser(visit, locale, title):
    page = visit(locale=locale)
    expect(page.get_by_role("heading", level=1)).to_contain_text(title, use_inner_text=True)


def test_language_is_chosen_anywhere_and_kept(visit):
    page = visit()
    page.locator("#hard-kink").scroll_into_view_if_needed()
    page.get_by_text("中文", exact=True).click()
    expect(page.locator("#hard-kink h3")).to_have_text(re.compile("折点"), use_inner_text=True)
    assert "lang=zh" in page.url
    assert page.title() == "反向传播的两种推导 · handgrad"
    page.goto(page.url.partition("?")[0])
    expect(page.get_by_role("heading", level=1)).to_have_text("反向传播的两种推导", use_inner_text=True)


def test_language_without_storage(browser, page_file):
    context = browser.new_context(locale="zh-CN")
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('none'); } })"
    )
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(page_file.as_uri())
    expect(page.get_by_role("heading", level=1)).to_contain_text("反向传播", use_inner_text=True)
    page.get_by_text("English", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Backpropagation", use_inner_text=True)
    context.close()
    assert faults == []


@pytest.mark.parametrize("size", [LAPTOP, PHONE, DESK], ids=str)
def test_picture_stays_in_view_and_in_step(visit, size):
    page = visit(size=size)
    rows, current = page.locator("article.step"), page.locator("article.step.current")
    # The text moves the picture.
    for key in ("z1", "data_loss", "dh1", "dW1_penalty"):
        page.locator(f"#step-{key}").evaluate("each => each.scrollIntoView({ block: 'start' })")
        expect(current).to_have_id(f"step-{key}")
        picture = "#walk .upright" if size[0] > 1100 else "#walk .across"
        assert in_view(page, picture) > 200
        position = page.locator("#position [data-at]:not([hidden])")
        number = rows.evaluate_all("(all, id) => all.findIndex(each => each.id === id) + 1", f"step-{key}")
        expect(position).to_contain_text(f"{number}/{rows.count()}")
        box = page.locator(f"{picture} .node.now").first.bounding_box()
        assert 0 <= box["x"] < size[0] - box["width"] / 2
        assert 0 < box["y"] < size[1]
    # And the picture moves the text.
    page.locator("#previous").click()
    expect(current).to_have_id("step-dW1")
    assert in_view(page, "#step-dW1") > 100
    page.locator(f"{picture} .node[data-q=dz1]").click()
    expect(current).to_have_id("step-dz1")
    assert in_view(page, "#step-dz1 h3") > 20
    # dW2 is finished by the penalty.
    page.locator(f"{picture} .node[data-q=dW2]").evaluate(
        "each => each.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))"
    )
    expect(current).to_have_id("step-dW2_penalty")


def test_play_scrolls_the_text(visit):
    page = visit(size=LAPTOP)
    page.locator("#steps").evaluate("each => each.scrollIntoView()")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(  # the page plays on, so both are looked at in one moment
        """() => {
            const title = document.querySelector("article.step.current:not(#step-z1) h3");
            const box = title?.getBoundingClientRect();
            return box && Math.min(box.bottom, innerHeight) - Math.max(box.top, 0) > 20;
        }"""
    )
    page.get_by_role("button", name="Pause").click()


def test_arrow_keys_act_only_in_the_walk(visit):
    page = visit(size=LAPTOP)
    page.keyboard.press("ArrowRight")
    assert page.locator("article.step.current").count() == 0
    assert page.evaluate("scrollY") == 0
    page.locator("#step-scores").evaluate("each => each.scrollIntoView()")
    expect(page.locator("article.step.current")).to_have_id("step-scores")
    page.keyboard.press("ArrowRight")
    expect(page.locator("article.step.current")).to_have_id("step-data_loss")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("article.step.current")).to_have_id("step-scores")
    page.locator(".bench").evaluate("each => each.scrollIntoView()")
    first = page.locator("article.mistake:visible").get_attribute("id")
    page.keyboard.press("ArrowRight")
    second = page.locator("article.mistake:visible").get_attribute("id")
    assert first != second
    assert in_view(page, f"#{second} h3") > 10
    page.locator("#speed").evaluate("each => each.scrollIntoView()")
    before = page.evaluate("scrollY")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("scrollY") == before


def test_quantity_is_highlighted_everywhere(visit):
    page = visit()
    page.locator("#step-dh1 a.q[data-q=dscores]").focus()
    assert set(page.locator(".lit").evaluate_all("all => all.map(each => each.dataset.q)")) == {"dscores"}
    for place in ("#walk .upright", "#broken .across", "#step-dh1 .derivation", "#step-dh1 .hand pre"):
        assert page.locator(f"{place} .lit").count() > 0, place
    page.locator("#step-dz1 .hand [data-q=z1]").first.hover()
    assert set(page.locator(".lit").evaluate_all("all => all.map(each => each.dataset.q)")) == {"z1"}


def test_entry_shows_its_sum(visit):
    page = visit(size=LAPTOP)
    hard_places = visible(page, "#hard table")
    page.locator('#step-z1 table.m[data-key="z1/z1"] td').first.click()
    assert visible(page, "#hard table") == hard_places > 5
    total = page.locator("#step-z1 .sum")
    expect(total).to_have_text("z1[0, 0] = 1·1 + 2·0.5 + (−1)·(−1) − 0.5 = 2.5")
    assert page.locator('table.m[data-key="given/X"] td.used').all_text_contents() == ["1", "2", "−1"]
    page.keyboard.press("ArrowRight")
    expect(total).to_contain_text("z1[0, 1] =")
    page.keyboard.press("ArrowDown")
    expect(total).to_contain_text("z1[1, 1] =")
    assert page.evaluate("document.activeElement.textContent") == "2.5"
    page.locator('#step-dW1 table.m[data-key="dW1/dW1"] td').first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#step-dW1 .sum")).to_contain_text("dW1[0, 0] = 1·(−0.0649) + 2·(−0.1347)")


def test_words_fit_the_activation(visit):
    page = visit("?activation=gelu")
    for step in ("h1", "dz1"):
        head = page.locator(f":is(#step-{step} > header, #step-{step} > .text):visible").all_inner_texts()
        assert "activation" in "".join(head)
        assert not re.search("ReLU|inactive|mask", "".join(head))
    assert visible(page, "#hard .when-example") == 0
    expect(page.locator("#hard-copy h4")).to_have_text("On your numbers", use_inner_text=True)


def test_broken_picture_has_no_right_numbers_in_wrong_boxes(visit):
    page = visit()
    page.locator("a[data-mistake=one-hot-sign]").click()
    assert visible(page, "#broken .wrong .entry, #broken .spoiled .entry") == 0
    assert visible(page, "#broken .across .entry") > 10


def test_script_leaves_the_worked_example_as_it_was_built(visit):
    texts = "() => [...document.querySelectorAll('main [data-key]')].map(each => each.textContent)"
    pads = "() => [...document.querySelectorAll('main [data-pad]')].map(each => each.dataset.pad)"
    page, plain = visit(), visit(java_script_enabled=False)
    for script in (texts, pads):
        assert page.evaluate(script) == plain.evaluate(script)


def test_edited_numbers_are_followed_by_everything(visit):
    page = visit(size=LAPTOP)
    page.get_by_role("button", name="Change the numbers").click()
    given = page.locator("dl.given")
    given.get_by_label("X[0, 1]").fill("-1.5")
    given.get_by_label("y[0, 0]").fill("1")
    given.get_by_label("reg[0, 0]").fill("0.25")
    page.get_by_label("activation", exact=True).select_option("tanh")
    problem = worked_problem()
    X = problem.X.copy()
    X[0, 1] = -1.5
    problem = replace(problem, X=X, y=np.array([1, 2]), reg=0.25, activation="tanh")
    numbers = page_numbers(problem, read_steps(problem))

    def agrees(page):
        for key in (
            "z1/z1",
            "h1/h1",
            "loss/loss",
            "dh1/dW2",
            "dW1_penalty/dW1",
            "hard/jacobian",
            "shards/1/dW1",
        ):
            assert shown(page, key) == expected(numbers, key), key
        rate = page.locator('td[data-key="update/loss/0.5"]').text_content()
        assert rate == number(float(numbers["update/loss/0.5"]))
        assert visible(page, "#step-h1 [data-activation=tanh]") > 0
        assert visible(page, "#step-h1 [data-activation=relu]") == 0
        # JAX is not in the browser: beside the adjoints are finite differences.
        differences = page.locator('[data-difference="dz1/dz1"] td').all_text_contents()
        hand = shown(page, "dz1/dz1")
        assert [float(x.replace("−", "-")) for x in differences] == pytest.approx(
            list(map(float, hand)), abs=2e-4
        )

    agrees(page)
    # The address keeps them, for another visit.
    page.goto(page.url)
    agrees(page)
    expect(page.get_by_text("Your own numbers").first).to_be_visible()
    page.get_by_role("button", name="Back to the worked example").click()
    example = page_numbers(worked_problem(), read_steps(worked_problem()))
    assert shown(page, "z1/z1") == expected(example, "z1/z1")
    assert "X=" not in page.url


def test_numbers_that_do_not_fit_are_refused(visit):
    page = visit()
    page.get_by_role("button", name="Change the numbers").click()
    given, says = page.locator("dl.given"), page.locator("#editor-says")
    entry = given.get_by_label("W1[0, 0]")
    for typed in ("", "abc", "1e9", "NaN"):
        entry.fill(typed)
        expect(says).to_contain_text("Not a number that fits: W1[0, 0]", use_inner_text=True)
        assert entry.get_attribute("aria-invalid") == "true"
        assert shown(page, "z1/z1")[0] == "2.5"
        given.get_by_label("y[0, 0]").fill("3")
        expect(says).to_contain_text("y[0, 0]", use_inner_text=True)
        for label, right in (("W1[0, 0]", "1"), ("y[0, 0]", "0")):
            given.get_by_label(label).fill(right)
        expect(says).not_to_contain_text("Not a number", use_inner_text=True)


@pytest.mark.parametrize("query", ["?X=1,2", "?activation=toString", "?reg=-1", "?y=0,7"])
def test_an_address_that_cannot_be_read_says_so(visit, query):
    page = visit(query)
    expect(page.locator("#editor-says")).to_contain_text("could not be read", use_inner_text=True)
    assert shown(page, "z1/z1")[0] == "2.5"


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=str)
def test_chosen_mistake_is_in_view(visit, size):
    page = visit(size=size)
    link = page.locator("a[data-mistake=one-hot-sign]")
    link.scroll_into_view_if_needed()
    link.click()
    article = page.locator("article.mistake:visible")
    expect(article).to_have_id("mistake-one-hot-sign")
    for part in ("h3", ".beside-right", ".report"):
        assert in_view(page, f"#mistake-one-hot-sign {part}") > 15, part
    expect(article.locator("pre.mistaken")).to_have_text("dscores[np.arange(N), y] += 1")
    assert article.locator(".training polyline.mistaken").count() == 1


def test_chosen_mistake_shows_the_checkers_numbers(visit):
    page = visit()
    for chosen in ("relu-mask-missing", "bias-scalar"):
        page.locator(f"a[data-mistake={chosen}]").click()
        article = page.locator("article.mistake:visible")
        article.locator("summary").click()
        broken = break_it(next(each for each in slip_ups() if each.id == chosen), worked_problem())
        expect(article.locator(".report")).to_contain_text(broken.whole.diagnosis[0].text)
        for quantity in broken.whole.quantities:
            row = article.locator(f"tr[data-quantity={quantity.name}]")
            if quantity.mismatch is not None:
                expect(row).to_contain_text("wrong shape")
                continue
            values = row.locator("data").evaluate_all("found => found.map(each => Number(each.value))")
            assert values[:2] == [quantity.max_rel, quantity.bound_units]
            assert row.locator("td.wrong").count() > 0 or quantity.ok
        red = page.locator("#broken .across .node:is(.wrong, .spoiled)").evaluate_all(
            "all => all.map(x => x.dataset.q)"
        )
        assert {quantity.name for quantity in broken.whole.quantities if not quantity.ok} <= set(red)
