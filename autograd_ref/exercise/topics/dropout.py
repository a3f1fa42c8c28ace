"""
rank = 4
scale = 8
read = [
    "https://cs231n.github.io/neural-networks-2/",
    "handgrad.dropout.dropout_backward",
    "handgrad.layers.affine_backward",
]

[en]
title = "Dropout"
teaches = "a random mask is a constant in the backward pass, and its scale belongs to it"

[zh]
title = "Dropout"
teaches = "随机掩码在反向传播中是常数，缩放因子也要带上"

[steps.dout]
of = "out"
shape = "(N, H)"
en = "Back from the loss."
zh = "从损失回来。"
hints.en = ["Differentiate half a square.", "The sum of the squares is divided by N."]
hints.zh = ["对平方的一半求导。", "平方和还除以了 N。"]

[steps.dh]
of = "h"
shape = "(N, H)"
en = "Back through the dropout. The mask was drawn beforehand: for the derivative it is a constant."
zh = "穿过 dropout。掩码是事先抽好的，求导时当作常数。"
hints.en = ["What is the derivative of h * mask with respect to h, entry by entry?", "What was dropped gets nothing, and what was kept was scaled up: the mask holds both."]
hints.zh = ["h * mask 对 h 的导数，逐元素来看是什么？", "丢掉的得不到任何梯度，保留的曾被放大：这两点都在掩码里。"]

[steps.dz]
of = "z"
shape = "(N, H)"
en = "Back through tanh."
zh = "穿过 tanh。"
hints.en = ["The slope of tanh can be written in terms of its output alone.", "Which of the arrays is the output of tanh: before or after the mask?"]
hints.zh = ["tanh 的斜率可以只用它的输出来写。", "哪个数组是 tanh 的输出：乘掩码之前的还是之后的？"]

[steps.dW]
of = "W"
shape = "(D, H)"
en = "Back through the layer, to its weights."
zh = "穿过这一层，到它的权重。"
hints.en = ["W[i, j] is multiplied by x[n, i] in every row n: a sum over n."]
hints.zh = ["在每一行 n，W[i, j] 都与 x[n, i] 相乘：对 n 求和。"]

[steps.db]
of = "b"
shape = "(H,)"
en = "And to its bias."
zh = "以及它的偏置。"
hints.en = ["b is added to every row."]
hints.zh = ["b 加到每一行上。"]

[steps.dx]
of = "x"
shape = "(N, D)"
en = "And to its input, as if a layer came before."
zh = "以及它的输入，就像前面还有一层。"
hints.en = ["x[n, i] feeds all H entries of its row, with the slopes W[i, :]."]
hints.zh = ["x[n, i] 影响它那一行的全部 H 个元素，斜率是 W[i, :]。"]
"""

import numpy as np


def dropout_layer(x, W, b, noise, keep, target):
    N = x.shape[0]
    z = x @ W + b  # (N, H)
    h = np.tanh(z)  # (N, H)
    mask = (noise < keep) / keep  # (N, H)
    out = h * mask  # (N, H)
    loss = 0.5 * np.sum((out - target) ** 2) / N

    # step dout
    dout = (out - target) / N

    # step dh
    dh = dout * mask

    # step dz
    dz = dh * (1 - h**2)

    # step dW
    dW = x.T @ dz

    # step db
    db = dz.sum(axis=0)

    # step dx
    dx = dz @ W.T

    return loss, dx, dW, db


def example(rng, scale=1):
    N, D, H = 5 * scale, 4 * scale, 6 * scale
    x, W, b = rng.standard_normal((N, D)), rng.standard_normal((D, H)), rng.standard_normal(H)
    return x, W, b, rng.random((N, H)), 0.7, rng.standard_normal((N, H))
