"""What is said of activation functions, each with its figures and what they make of it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.activations.runs import NOTES_RATES, RATES, Run, all_runs, start_of
from benchmarks.results import markdown
from handgrad.activations import ACTIVATIONS

Found = dict[str, Any]


def claims_table(found: Found) -> str:
    """One row a claim: what is said, what was measured, and whether that supports it."""
    claims = (
        *(_faster, _centred_pixels, _kills, _leaky_cures, _leaky_helps, _saturates, _starves, _explodes),
        *(_not_centred, _zigzag, _tanh),
    )
    return markdown(("said", "measured", "so"), [claim(found) for claim in claims]).replace("---:", "---")


def loss_table(found: Found) -> str:
    """Every activation at its best learning rate: its own start, and the notes'."""
    rows = []
    for name in ACTIVATIONS:
        cells = [f"`{name}`"]
        for start in (start_of(name), "notes"):
            rate = best_rate(found, name, start)
            if rate is None:
                cells += ["–"] * 4
                continue
            runs = [found["runs"][run.key]["epochs"] for run in runs_of(name, start, rate)]
            cells += [f"{rate:g}", *(f"{_mean(runs, epoch, 'loss'):.3f}" for epoch in (1, -1))]
            cells.append(f"{100 * _mean(runs, -1, 'val'):.1f}")
        rows.append(cells)
    head = ["activation", *(f"{start} {what}" for start in ("own:", "notes:") for what in HEAD)]
    return markdown(head, rows)


HEAD = ("learning rate", "loss, epoch 1", "epoch 4", "validation %")


def best_rate(found: Found, name: str, start: str) -> float | None:
    """The learning rate with the lowest mean loss after the last epoch; None if all diverged."""
    rates = NOTES_RATES if start == "notes" else RATES
    final = {rate: final_loss(found, name, start, rate) for rate in rates}
    rate = min(final, key=final.__getitem__)
    return rate if np.isfinite(final[rate]) else None


def final_loss(found: Found, name: str, start: str, rate: float) -> float:
    """Mean training loss of the last half epoch; infinite if a run diverged."""
    results = [found["runs"][run.key] for run in runs_of(name, start, rate)]
    if any(each["diverged"] for each in results):
        return float("inf")
    return _mean([each["epochs"] for each in results], -1, "loss")


def dying(found: Found, name: str, *, centred: bool) -> dict[float, list[Found]]:
    """The runs of two epochs with a learning rate and two with a hundredth of it, by learning rate."""
    by_rate: dict[float, list[Found]] = {}
    for run in all_runs():
        if run.calm and (run.activation, run.centred) == (name, centred):
            by_rate.setdefault(run.learning_rate, []).append(found["runs"][run.key])
    return by_rate


def runs_of(name: str, start: str, rate: float) -> list[Run]:
    """The runs of four epochs with these settings."""
    wanted = (name, start, rate, 0)
    return [run for run in all_runs() if (run.activation, run.start, run.learning_rate, run.calm) == wanted]


def _mean(runs: list[list[Found]], epoch: int, what: str) -> float:
    return float(np.mean([epochs[epoch][what] for epochs in runs]))


def _at_best(found: Found, name: str) -> list[list[Found]]:
    rate = best_rate(found, name, start_of(name))
    assert rate is not None
    return [found["runs"][run.key]["epochs"] for run in runs_of(name, start_of(name), rate)]


def _sigmoids(found: Found) -> Iterator[Found]:
    """Every look at a sigmoid in any run that was still finite."""
    for run in all_runs():
        if run.activation == "sigmoid":
            yield from found["runs"][run.key]["epochs"]


def _said(supported: bool, otherwise: str = "not supported") -> str:
    return "**supported**" if supported else f"**{otherwise}**"


def _faster(found: Found) -> tuple[str, str, str]:
    loss = {name: [_mean(_at_best(found, name), epoch, "loss") for epoch in (1, -1)] for name in TRIO}
    text = "; ".join(f"{name} {first:.2f}, {last:.2f}" for name, (first, last) in loss.items())
    right = all(loss["relu"][i] < loss[name][i] for i in (0, 1) for name in TRIO[1:])
    return (
        "ReLU converges faster than sigmoid and tanh",
        f"loss after 1 and 4 epochs, each at its best learning rate: {text}",
        _said(right),
    )


TRIO = ("relu", "sigmoid", "tanh")


def _centred_pixels(found: Found) -> tuple[str, str, str]:
    runs = dying(found, "relu", centred=True)
    dead = max(
        epoch["dead_units"] for results in runs.values() for each in results for epoch in each["epochs"]
    )
    gone = [rate for rate, results in runs.items() if any(each["diverged"] for each in results)]
    at = f"; a run diverged from {min(gone):g} on" if gone else ""
    return (
        "a large learning rate kills ReLUs (the mean image subtracted)",
        f"at most {dead} of 100 dead on all 49,000 images, learning rates {min(runs):g} to {max(runs):g}{at}",
        _said(dead > 0),
    )


def _kills(found: Found) -> tuple[str, str, str]:
    runs = dying(found, "relu", centred=False)
    after = {rate: dead_units(results, 2) for rate, results in runs.items()}
    later = {rate: dead_units(results, 4) for rate, results in runs.items()}
    text = ", ".join(f"{after[rate]:g} → {later[rate]:g} at {rate:g}" for rate in runs)
    lasting = sum(later.values()) >= 0.9 * sum(after.values()) > 0
    return (
        "a large learning rate kills ReLUs for good, a proper one does not (pixels as they are)",
        f"dead of 100 after 2 epochs → after 2 more at a hundredth of the learning rate: {text}",
        _said(lasting and after[min(runs)] == 0),
    )


def dead_units(results: list[Found], epoch: int) -> float:
    """Mean over the runs, at their last look if they diverged before."""
    looks = [each["epochs"][min(epoch, len(each["epochs"]) - 1)] for each in results]
    return float(np.mean([look["dead_units"] for look in looks]))


def _leaky_cures(found: Found) -> tuple[str, str, str]:
    runs = dying(found, "leaky_relu", centred=False)
    dead = max(dead_units(results, epoch) for results in runs.values() for epoch in (2, 4))
    return "leaky ReLU cures that", f"at most {dead:g} dead in the same runs", _said(dead == 0)


def _leaky_helps(found: Found) -> tuple[str, str, str]:
    cells, gains = [], []
    own = {name: [100 * epochs[-1]["val"] for epochs in _at_best(found, name)] for name in PAIR}
    cells.append(
        f"centred, best rates: {np.mean(own['leaky_relu']):.1f} against {np.mean(own['relu']):.1f} %"
    )
    gains.append(float(np.mean(own["leaky_relu"]) - np.mean(own["relu"])))
    both = {name: dying(found, name, centred=False) for name in PAIR}
    for rate in both["relu"]:
        val = {
            name: 100 * np.mean([each["epochs"][-1]["val"] for each in runs[rate]])
            for name, runs in both.items()
        }
        cells.append(f"not centred, {rate:g}: {val['leaky_relu']:.1f} against {val['relu']:.1f} %")
    spread = max(np.ptp(values) for values in own.values())
    verdict = (
        "where units die; else within the seeds' spread" if abs(gains[0]) <= spread + 0.5 else "see figures"
    )
    return "and helps accuracy", f"validation, leaky against plain; {'; '.join(cells)}", f"**{verdict}**"


PAIR = ("relu", "leaky_relu")


def _saturates(found: Found) -> tuple[str, str, str]:
    rate = best_rate(found, "sigmoid", "notes")
    assert rate is not None
    own = _at_best(found, "sigmoid")
    notes = [found["runs"][run.key]["epochs"] for run in runs_of("sigmoid", "notes", rate)]
    text = "; ".join(
        f"{label} {_mean(runs, 0, 'saturated'):.0%} at the start (mean output "
        f"{_mean(runs, 0, 'activation_mean'):.2f}), "
        f"{_mean(runs, 1, 'saturated'):.0%} after 1 epoch, {_mean(runs, -1, 'saturated'):.0%} after 4"
        for label, runs in (("Glorot", own), ("the notes' 1e-4 on raw pixels", notes))
    )
    by_training = _mean(notes, 0, "saturated") < 0.01 and _mean(notes, -1, "saturated") > 0.25
    return (
        "sigmoid saturates",
        f"share with |σ′| below 0.001: {text}",
        _said(not by_training, "not from its start; training on raw pixels drives it there"),
    )


def _starves(found: Found) -> tuple[str, str, str]:
    ratio = {name: _mean(_at_best(found, name), -1, "dz1_to_dh1") for name in TRIO}
    text = ", ".join(f"{name} {value:.2f}" for name, value in ratio.items())
    return (
        "and starves the gradient, σ′ ≤ ¼",
        f"‖dz1‖/‖dh1‖ after 4 epochs: {text}",
        _said(ratio["sigmoid"] <= 0.25 < min(ratio["relu"], ratio["tanh"])),
    )


def _explodes(found: Found) -> tuple[str, str, str]:
    largest = max(look["dz1_to_dh1"] for look in _sigmoids(found) if look["dz1_to_dh1"] is not None)
    deep = ", ".join(
        f"{each['factor']:.2g} (×{scale}, {each['saturated']:.0%} saturated)"
        for scale, each in found["ten layers of sigmoid"].items()
    )
    grows = [scale for scale, each in found["ten layers of sigmoid"].items() if each["factor"] > 1]
    rest = ", ".join(f"{name} {each['factor']:.2f}" for name, each in found["ten layers"].items())
    return (
        'the notes: "explodes backwards"',
        f"largest ‖dz1‖/‖dh1‖ in any run {largest:.3f}; ten layers at the start, growth of ‖dz‖ by layer "
        f"back: {rest}; sigmoid with Glorot's weights times a factor: {deep}",
        f"**it vanishes{f'; only weights {grows[0]} times too large make it grow' if grows else ''}**",
    )


def _not_centred(found: Found) -> tuple[str, str, str]:
    text = ", ".join(f"{name} {_mean(_at_best(found, name), -1, 'activation_mean'):.2f}" for name in TRIO)
    return (
        "sigmoid's outputs are not zero-centred",
        f"mean of h1 after 4 epochs: {text}",
        _said(_mean(_at_best(found, "sigmoid"), -1, "activation_mean") > 0.25),
    )


def _zigzag(found: Found) -> tuple[str, str, str]:
    seen = {}
    for name in TRIO:
        runs = [found["runs"][run.key]["watched"] for run in runs_of(name, start_of(name), 0.1)]
        seen[name] = {what: np.mean([each[what] for each in runs]) for what in runs[0]}
    text = "; ".join(
        f"{name} {each['signs']:.2f}, {each['cosine']:.2f}, {each['straightness']:.3f}"
        for name, each in seen.items()
    )
    signs = seen["sigmoid"]["signs"] > 2 * seen["tanh"]["signs"]
    crooked = seen["sigmoid"]["straightness"] < 0.8 * seen["tanh"]["straightness"]
    return (
        "so W2 goes in a zig-zag",
        "agreement of the signs within a class, cosine of one step with the next, straightness of 50 steps "
        f"at learning rate 0.1: {text}",
        _said(
            bool(signs and crooked),
            "signs agree, but the way is no more crooked" if signs else "not supported",
        ),
    )


def _tanh(found: Found) -> tuple[str, str, str]:
    mean = _mean(_at_best(found, "tanh"), -1, "activation_mean")
    return (
        "tanh(x) = 2σ(2x) − 1, zero-centred",
        f"largest difference {found['tanh as a sigmoid']:.1e}; mean of h1 after 4 epochs {mean:.3f}",
        _said(found["tanh as a sigmoid"] < 1e-15 and abs(mean) < 0.1),
    )
