"""
rank = 6
scale = 8
read = ["https://arxiv.org/abs/1607.06450"]

[en]
title = "Layer normalisation"
teaches = "the same along the other axis: every example is normalised by itself"

[zh]
title = "层归一化"
teaches = "换一个轴：每个样本只用自己来归一化"

[steps.dout]
of = "out"
shape = "(N, D)"
en = "Back from the loss."
zh = "从损失回来。"
hints.en = ["Differentiate half a square."]
hints.zh = ["对平方的一半求导。"]

[steps.dgamma]
of = "gamma"
shape = "(D,)"
en = "gamma multiplies every row."
zh = "gamma 与每一行相乘。"
hints.en = ["What is gamma[j] multiplied by in row n?", "One gamma[j] feeds N entries: add up."]
hints.zh = ["在第 n 行，gamma[j] 与什么相乘？", "一个 gamma[j] 影响 N 个元素：相加。"]

[steps.dbeta]
of = "beta"
shape = "(D,)"
en = "beta is added to every row."
zh = "beta 加到每一行上。"
hints.en = ["The slope is 1 in every row."]
hints.zh = ["在每一行，斜率都是 1。"]

[steps.dxhat]
of = "xhat"
shape = "(N, D)"
en = "Back to the normalised array."
zh = "回到归一化后的数组。"
hints.en = ["What is the slope of out with respect to xhat, entry by entry?"]
hints.zh = ["out 对 xhat 的斜率，逐元素来看是什么？"]

[steps.dinv]
of = "inv"
shape = "(N, 1)"
en = "inv is one number for a whole row."
zh = "inv 由一整行共用。"
hints.en = ["What is inv multiplied by?", "Add up over the row, and keep the shape of inv."]
hints.zh = ["inv 与什么相乘？", "沿这一行相加，形状与 inv 相同。"]

[steps.dvar]
of = "var"
shape = "(N, 1)"
en = "Back through the root and the reciprocal."
zh = "穿过平方根和倒数。"
hints.en = ["inv is (var + 1e-5) to the power of -1/2. What is the derivative?", "The power of -3/2 can be written with inv."]
hints.zh = ["inv 是 (var + 1e-5) 的 -1/2 次方，导数是什么？", "-3/2 次方可以用 inv 来写。"]

[steps.dcentred]
of = "centred"
shape = "(N, D)"
en = "centred is used twice: in xhat, and in the variance."
zh = "centred 用了两次：一次在 xhat 中，一次在方差中。"
hints.en = ["Through xhat: what is centred multiplied by?", "Through the variance: the derivative of a mean of D squares. Both contributions add up."]
hints.zh = ["经 xhat：centred 与什么相乘？", "经方差：D 个平方的平均，它的导数。两条途径相加。"]

[steps.dmean]
of = "mean"
shape = "(N, 1)"
en = "The mean is subtracted from every entry of its row."
zh = "这一行的每个元素都减去了均值。"
hints.en = ["What is the slope of x - mean with respect to mean?", "One mean feeds a whole row: add up."]
hints.zh = ["x - mean 对 mean 的斜率是多少？", "一个均值影响一整行：相加。"]

[steps.dx]
of = "x"
shape = "(N, D)"
en = "x is used twice: directly, and in the mean."
zh = "x 用了两次：它本身，以及在均值中。"
hints.en = ["Through centred x has the slope 1.", "In the mean each x is one of D. Both contributions add up."]
hints.zh = ["经 centred，x 的斜率是 1。", "经均值，每个 x 只占 D 分之一。两条途径相加。"]
"""

import numpy as np


def layer_norm(x, gamma, beta, target):
    N, D = x.shape
    mean = x.mean(axis=1, keepdims=True)  # (N, 1)
    centred = x - mean  # (N, D)
    var = (centred**2).mean(axis=1, keepdims=True)  # (N, 1)
    inv = 1 / np.sqrt(var + 1e-5)  # (N, 1)
    xhat = centred * inv  # (N, D)
    out = gamma * xhat + beta  # (N, D)
    loss = 0.5 * np.sum((out - target) ** 2)

    # step dout
    dout = out - target

    # step dgamma
    dgamma = (dout * xhat).sum(axis=0)

    # step dbeta
    dbeta = dout.sum(axis=0)

    # step dxhat
    dxhat = dout * gamma

    # step dinv
    dinv = (dxhat * centred).sum(axis=1, keepdims=True)

    # step dvar
    dvar = -0.5 * inv**3 * dinv

    # step dcentred
    dcentred = dxhat * inv + 2 * centred * dvar / D

    # step dmean
    dmean = -dcentred.sum(axis=1, keepdims=True)

    # step dx
    dx = dcentred + dmean / D

    return loss, dx, dgamma, dbeta


def example(rng, scale=1):
    N, D = 5 * scale, 4 * scale
    x, target = rng.standard_normal((N, D)), rng.standard_normal((N, D))
    return x, rng.standard_normal(D), rng.standard_normal(D), target
