"""
rank = 7
scale = 2
read = ["https://cs231n.github.io/convolutional-networks/", "https://cs231n.github.io/optimization-2/"]

[en]
title = "Convolution, by loops"
teaches = "overlapping windows: every pixel feeds several outputs, and their contributions add up"

[zh]
title = "卷积，用循环写"
teaches = "重叠的窗口：每个像素影响好几个输出，传回来的量要加回到读取的位置"

[steps.dout]
of = "out"
shape = "(N, F, rows, columns)"
en = "Back from the loss."
zh = "从损失回来。"
hints.en = ["Differentiate half a square."]
hints.zh = ["对平方的一半求导。"]

[steps.db]
of = "b"
shape = "(F,)"
en = "b[f] is added at every place of every image."
zh = "b[f] 加到每幅图的每个位置上。"
hints.en = ["One b[f] feeds all outputs of its filter, with slope 1.", "Which axes must be added up to be left with (F,)?"]
hints.zh = ["一个 b[f] 影响它那个滤波器的全部输出，斜率为 1。", "沿哪些轴相加，剩下的形状才是 (F,)？"]

[steps.dw]
of = "w"
shape = "(F, C, K, K)"
en = "The same filters act on every window: the contributions of all windows add up."
zh = "同一组滤波器作用于每个窗口：从每个窗口传回来的量都加上去。"
hints.en = ["At one position (i, j), out[n, f] is a sum of products of the window and w[f].", "What is w[f, c, k, l] multiplied by? Add up over the images; einsum does it with the letters of the forward line."]
hints.zh = ["在一个位置 (i, j)，out[n, f] 是窗口与 w[f] 的乘积之和。", "w[f, c, k, l] 与什么相乘？对各幅图求和；用前向那一行的字母写 einsum 即可。"]

[steps.dpadded]
of = "padded"
shape = "(N, C, H + 2, W + 2)"
en = "The gradient of one window, added at the place where the window was read."
zh = "传回到一个窗口的量，加到读取窗口的位置上。"
hints.en = ["What is the window's entry [n, c, k, l] multiplied by, in all F filters?", "Add up over the filters."]
hints.zh = ["窗口的元素 [n, c, k, l] 在 F 个滤波器中各与什么相乘？", "对各滤波器求和。"]

[steps.dx]
of = "x"
shape = "(N, C, H, W)"
en = "Back through the padding."
zh = "穿过填充。"
hints.en = ["The zeros around the image are constants: their gradient is dropped."]
hints.zh = ["图像四周的零不属于谁：传回到那里的量不再往前传。"]
"""

import numpy as np


def convolution(x, w, b, target):
    N, C, H, W = x.shape
    F, _, K, _ = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))  # (N, C, H + 2, W + 2)
    rows, columns = H + 3 - K, W + 3 - K
    places = []
    for i in range(rows):
        for j in range(columns):
            window = padded[:, :, i : i + K, j : j + K]  # (N, C, K, K)
            places.append(np.einsum("nckl,fckl->nf", window, w) + b)
    out = np.stack(places, axis=2).reshape(N, F, rows, columns)
    loss = 0.5 * np.sum((out - target) ** 2)

    # step dout
    dout = out - target

    # step db
    db = dout.sum(axis=(0, 2, 3))

    dw, dpadded = np.zeros_like(w), np.zeros_like(padded)
    for i in range(rows):
        for j in range(columns):
            window = padded[:, :, i : i + K, j : j + K]

            # step dw
            dw += np.einsum("nf,nckl->fckl", dout[:, :, i, j], window)

            # step dpadded
            dpadded[:, :, i : i + K, j : j + K] += np.einsum("nf,fckl->nckl", dout[:, :, i, j], w)

    # step dx
    dx = dpadded[:, :, 1:-1, 1:-1]

    return loss, dx, dw, db


def example(rng, scale=1):
    N, C, H, W, F, K = 2 * scale, 2, 4 * scale, 3 * scale, 3, 3
    x, w, b = rng.standard_normal((N, C, H, W)), rng.standard_normal((F, C, K, K)), rng.standard_normal(F)
    return x, w, b, rng.standard_normal((N, F, H, W))
