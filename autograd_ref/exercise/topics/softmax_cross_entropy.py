"""
rank = 2
scale = 20
read = [
    "https://cs231n.github.io/linear-classify/",
    "https://cs231n.github.io/neural-networks-case-study/",
    "handgrad.layers.softmax_cross_entropy_backward",
]

[en]
title = "Softmax and cross-entropy"
teaches = "one operation at a time: mean, logarithm, indexing, a quotient, a sum, exp; why the maximum leaves no trace"

[zh]
title = "softmax 与交叉熵"
teaches = "一次只走一个运算：平均、对数、取下标、商、求和、exp；为什么减去最大值不留痕迹"

[steps.dlogs]
of = "logs"
shape = "(N,)"
en = "Back through the mean and the sign."
zh = "穿过平均和负号。"
hints.en = ["How much does the loss change when one of the N logarithms grows by a little?", "It is the same number for all N: write an array full of it."]
hints.zh = ["N 个对数之一增大一点，损失变化多少？", "N 个都是同一个数：写一个全是这个数的数组。"]

[steps.down]
of = "own"
shape = "(N,)"
en = "Back through the logarithm, to the probabilities of the right classes."
zh = "穿过对数，回到各样本自己那一类的概率。"
hints.en = ["What is the derivative of log(x)?", "An elementwise function: multiply dlogs by its slope, entry by entry."]
hints.zh = ["log(x) 的导数是什么？", "逐元素的函数：把传回来的量逐个乘以斜率。"]

[steps.dprobs]
of = "probs"
shape = "(N, C)"
en = "Back through the indexing: only one entry of each row was read."
zh = "穿过取下标：每一行只读了一个元素。"
hints.en = ["An entry that does not reach the loss has the derivative 0.", "Start with zeros in the shape of probs, and put each entry of down where the probability was read."]
hints.zh = ["没有影响损失的元素，导数为 0。", "先建一个与 probs 同形的全零数组，再把传回来的量放到当初读取的位置。"]

[steps.dtotal]
of = "total"
shape = "(N, 1)"
en = "Back through the quotient, to its denominator."
zh = "穿过商，回到分母。"
hints.en = ["What is the derivative of e / t with respect to t?", "One total feeds all C probabilities of its row: the contributions add up along the row."]
hints.zh = ["e / t 对 t 的导数是什么？", "一个 total 影响它那一行的全部 C 个概率：沿这一行相加。"]

[steps.de]
of = "e"
shape = "(N, C)"
en = "e is used twice: as the numerator, and in the total."
zh = "e 用了两次：一次作分子，一次在 total 中。"
hints.en = ["Through the numerator: the derivative of e / t with respect to e.", "Through the total each e has the slope 1. Both contributions add up."]
hints.zh = ["经分子传回来的：e / t 对 e 的导数。", "经 total，每个 e 的斜率都是 1。两条途径相加。"]

[steps.dshifted]
of = "shifted"
shape = "(N, C)"
en = "Back through exp."
zh = "穿过 exp。"
hints.en = ["exp is its own derivative, and the forward pass has computed it."]
hints.zh = ["exp 的导数就是它自己，前向传播已经算过。"]

[steps.dscores]
of = "scores"
shape = "(N, C)"
en = "Back through the subtraction of the maximum."
zh = "穿过减去最大值这一步。"
hints.en = ["The softmax does not change when a number is added to a whole row. What does that say about the path through the maximum?", "Look at the sums of the rows of dshifted."]
hints.zh = ["一整行同加一个数，softmax 不变。这对经过最大值的那条途径意味着什么？", "看看 dshifted 每一行的和。"]
"""

import numpy as np


def cross_entropy(scores, y):
    N = scores.shape[0]
    shifted = scores - scores.max(axis=1, keepdims=True)  # (N, C)
    e = np.exp(shifted)  # (N, C)
    total = e.sum(axis=1, keepdims=True)  # (N, 1)
    probs = e / total  # (N, C)
    own = probs[np.arange(N), y]  # (N,)
    logs = np.log(own)  # (N,)
    loss = -logs.mean()

    # step dlogs
    dlogs = np.full(N, -1 / N)

    # step down
    down = dlogs / own

    # step dprobs
    dprobs = np.zeros_like(probs)
    dprobs[np.arange(N), y] = down

    # step dtotal
    dtotal = -(dprobs * e).sum(axis=1, keepdims=True) / total**2

    # step de
    de = dprobs / total + dtotal

    # step dshifted
    dshifted = de * e

    # step dscores
    dscores = dshifted

    return loss, dscores


def example(rng, scale=1):
    N, C = 5 * scale, 3 * scale
    return rng.standard_normal((N, C)), rng.integers(C, size=N)
