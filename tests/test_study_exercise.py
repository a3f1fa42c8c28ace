"""The exercise on the study page: NumPy's syntax in its script, and a reader who types every line."""

# ruff: noqa: F401, F811 - some of what is imported are fixtures, which arguments name

import numpy as np
import pytest
from playwright.sync_api import expect
from study_browser import browser, page_file, tab, visit

from autograd_ref.exercise.topic import topic_called
from autograd_ref.study.rendering.template import FOLDER

pytestmark = pytest.mark.slow

# By these a reader may write things, and NumPy says what they are.
NAMES = {
    "A": np.array([[1.5, -2.0, 0.5], [0.25, 3.0, -1.0]]),
    "B": np.array([[0.5, 2.0], [-1.0, 4.0], [3.0, -0.5]]),
    "v": np.array([1.0, -2.0, 4.0]),
    "y": np.array([2, 0]),
    "k": np.array(3.0),
}
EXPRESSIONS = [
    "A @ B",
    "A.T @ A - 2 * B @ A / 3",
    "-A**2",
    "2**-1",
    "2**3**2",
    "(A - A.mean(axis=1, keepdims=True)) / 2",
    "A.sum()",
    "A.sum(axis=0)",
    "A.sum(1)",
    "np.sum(A, axis=-1, keepdims=True)",
    "np.mean(A, 0)",
    "A.max(axis=1)",
    "A * (A > 0)",
    "A * (A <= v)",
    "np.maximum(A, 0) + np.minimum(v, k)",
    "np.where(A > 0, A, 0.01 * A)",
    "np.eye(3)[y]",
    "A / len(A)",
    "A.shape[0] * v",
    "v[:, None] * v",
    "np.outer(v, v)",
    "np.exp(A) / np.exp(A).sum(axis=1, keepdims=True)",
    "A @ v",
    "v @ v",
    "np.dot(A, B)",
    "1 - np.tanh(A)**2",
    "-v + +k",
    "v[y]",
    "A[1]",
    "np.zeros_like(A) + 1e-3",
    "A.copy().T",
    "7 // 2",
    "np.transpose(A)",
    "(A != 3) * (A == A)",
    "np.sqrt(np.abs(A)) * np.sign(A)",
    "v[None, :] - B[:, :].T",
    "np.arange(3) * v",
]
REFUSED = {
    "A @ A": "shapes",
    "A + B": "shapes",
    "A +": "end",
    "A B": "syntax",
    "A $": "syntax",
    "nothing": "name",
    "np.fft(A)": "unknown",
    "A.sort()": "unknown",
    "A.sum(axis=2)": "axis",
    "v[9]": "index",
    "np.eye(99999)": "large",
    "np.sum(A, where=A)": "unknown",
    "(A": "end",
    "np.": "end",
    "np.exp()": "end",
}


@pytest.fixture(scope="module")
def evaluate(browser):
    """Evaluates an expression in the page's script: the shape and the entries, or the refusal."""
    page = browser.new_page()
    page.add_script_tag(content=(FOLDER / "script" / "numpy.js").read_text(encoding="utf-8"))
    names = {key: {"shape": list(each.shape), "data": each.ravel().tolist()} for key, each in NAMES.items()}
    program = """([text, names]) => {
        try { return numpy.evaluate(text, names); } catch (error) {
            if (error instanceof numpy.Refusal) return error.id;
            throw error;
        }
    }"""
    return lambda text: page.evaluate(program, [text, names])


@pytest.mark.filterwarnings("ignore:invalid value")
def test_expressions_are_what_numpy_makes_of_them(evaluate):
    for text in EXPRESSIONS:
        found, expected = evaluate(text), np.asarray(eval(text, {"np": np, **NAMES}), float)
        assert isinstance(found, dict), (text, found)
        assert tuple(found["shape"]) == expected.shape, text
        np.testing.assert_allclose(found["data"], expected.ravel(), rtol=1e-12, err_msg=text)


def test_what_cannot_be_evaluated_is_refused_with_its_reason(evaluate):
    assert {text: evaluate(text) for text in REFUSED} == REFUSED


# What a reader may try first, and a part of what is said of it.
FIRST = {
    "dscores": {
        "probs - np.eye(C)[y]": "N·∂loss/∂scores",
        "(probs - np.eye(C)[y]) / 2": "size",
        "probs / N": "4 ",
    },
    "dW2": {
        "h1 @ dscores": "happen",
        "h1.T @ dscores": "once more",
        "h1.T @ dscores + 2 * reg * W2": "0.5 times",
    },
    "db2": {"dscores.sum(axis=1)": "(2,)", "dscores": "(2, 3)", "-dscores.sum(axis=0)": "sign"},
    "dh1": {"dscores @ W2": "do not fit", "(dscores @ W2.T).T @ np.eye(2)": "happen"},
    "dz1": {"dh1": "∂loss/∂h1", "dh1 * z1": "entries"},
    "dW1": {"X.T @ dh1 + 4 * reg * W1": "3 of 6", "(X.T @ dz1 + 4 * reg * W1).T": "transposed"},
    "db1": {"dW1.sum(axis=0)": "entries"},
}


def typed(page, text, by_key):
    """Replace what is in the field; to press every key of every line would take most of the test's time."""
    page.keyboard.press("Control+A")
    (page.keyboard.type if by_key else page.keyboard.insert_text)(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_reader_derives_the_gradient_by_the_keyboard_alone(visit, language):
    page, steps = visit(f"?lang={language}"), topic_called("two-layer-network").steps
    page.locator("#line-dscores").focus()
    for step in steps:
        field, status = page.locator(f"#line-{step.name}"), page.locator(f"#says-{step.name}")
        expect(field).to_be_focused()
        for line, said in list(FIRST[step.name].items())[: None if language == "en" else 1]:
            typed(page, line, by_key=step is steps[0])
            expect(field).to_have_attribute("aria-invalid", "true")
            told = status.inner_text()
            if language == "en":
                assert said in told, line
            assert step.solution.split(" = ")[1] not in told
        page.keyboard.press("Tab")  # to the button that checks, then to the hints
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(f"form[data-derive={step.name}] .hints li:visible")).to_have_text(
            [step.hints[language][0]], use_inner_text=True
        )
        field.focus()
        typed(page, step.solution.strip(), by_key=False)
        expect(status).to_have_text({"en": "✓ right", "zh": "✓ 正确"}[language], use_inner_text=True)
    expect(page.locator("#derived")).to_be_focused()


def test_shown_lines_are_right_on_the_readers_own_numbers(visit):
    page = visit("?lang=en&reg=0.3&y=2,1&activation=tanh")
    for step in topic_called("two-layer-network").steps:
        form = page.locator(f"form[data-derive={step.name}]")
        form.get_by_role("button", name="Show the line").click()
        page.keyboard.press("Enter")
        expect(form.get_by_role("status")).to_have_text("✓ right", use_inner_text=True)
