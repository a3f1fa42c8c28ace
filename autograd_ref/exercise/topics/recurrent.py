"""
rank = 8
scale = 4
read = ["https://cs231n.github.io/rnn/", "https://cs231n.github.io/optimization-2/"]

[en]
title = "A recurrent step through time"
teaches = "backpropagation through time: a state feeds the loss and the next step, and the same weights act at every step"

[zh]
title = "沿时间展开的循环步"
teaches = "沿时间反向传播：一个状态既影响损失又影响下一步；同一组权重在每一步都起作用"

[steps.dhidden]
of = "hidden"
shape = "(T, N, H)"
en = "Back from the loss, to all states at once."
zh = "从损失回到所有时刻的状态。"
hints.en = ["Differentiate half a square."]
hints.zh = ["对平方的一半求导。"]

[steps.dz]
of = "z[t]"
shape = "(N, H)"
en = "Back through tanh at time t. dh[t + 1] is complete by then: the loop runs backwards."
zh = "在时刻 t 穿过 tanh。循环倒着走，这时 dh[t + 1] 已经完整。"
hints.en = ["Write the slope of tanh in terms of its output.", "Which state is the output of tanh(z[t])?"]
hints.zh = ["用 tanh 的输出来写它的斜率。", "哪个状态是 tanh(z[t]) 的输出？"]

[steps."dh[t]"]
of = "h[t]"
shape = "(N, H)"
en = "The gradient of the previous state through this step. It is added to the gradient from the loss."
zh = "从这一步传回到前一个状态的量，加到来自损失的那一份上。"
hints.en = ["h[t] is multiplied by Wh in z[t].", "It is a layer's input: the same product as in every affine layer."]
hints.zh = ["在 z[t] 中，h[t] 与 Wh 相乘。", "它是一层的输入：与任何仿射层一样的乘积。"]

[steps.dx]
of = "x"
shape = "(T, N, D)"
en = "To the input at time t, which is used once."
zh = "传到时刻 t 的输入，它只用了一次。"
hints.en = ["x[t] is multiplied by Wx in z[t]."]
hints.zh = ["在 z[t] 中，x[t] 与 Wx 相乘。"]

[steps.dWx]
of = "Wx"
shape = "(D, H)"
en = "The same weights act at every time: add up."
zh = "同一组权重在每个时刻都起作用：相加。"
hints.en = ["At one time it is the weights of an affine layer with the input x[t]."]
hints.zh = ["在一个时刻，它就是以 x[t] 为输入的仿射层的权重。"]

[steps.dWh]
of = "Wh"
shape = "(H, H)"
en = "Likewise."
zh = "同样。"
hints.en = ["What is Wh multiplied by at time t? The state before the step, not after."]
hints.zh = ["在时刻 t，Wh 与什么相乘？是这一步之前的状态，不是之后的。"]

[steps.db]
of = "b"
shape = "(H,)"
en = "Likewise, and over the batch."
zh = "同样，并对整批求和。"
hints.en = ["b is added to every row, at every time."]
hints.zh = ["b 在每个时刻加到每一行上。"]
"""

import numpy as np


def recurrent(x, h0, Wx, Wh, b, target):
    T = x.shape[0]
    z, h = [], [h0]
    for t in range(T):
        z.append(x[t] @ Wx + h[t] @ Wh + b)  # (N, H)
        h.append(np.tanh(z[t]))  # (N, H)
    hidden = np.stack(h[1:])  # (T, N, H)
    loss = 0.5 * np.sum((hidden - target) ** 2)

    # step dhidden
    dhidden = hidden - target

    dh = [np.zeros_like(h0), *dhidden.copy()]
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    for t in reversed(range(T)):
        # step dz
        dz = dh[t + 1] * (1 - h[t + 1] ** 2)

        # step dh[t]
        dh[t] += dz @ Wh.T

        # step dx
        dx[t] = dz @ Wx.T

        # step dWx
        dWx += x[t].T @ dz

        # step dWh
        dWh += h[t].T @ dz

        # step db
        db += dz.sum(axis=0)

    return loss, dx, dh[0], dWx, dWh, db


def example(rng, scale=1):
    T, N, D, H = 4, 5 * scale, 3 * scale, 6 * scale
    x, h0, target = (
        rng.standard_normal((T, N, D)),
        rng.standard_normal((N, H)),
        rng.standard_normal((T, N, H)),
    )
    return (
        x,
        h0,
        rng.standard_normal((D, H)),
        0.3 * rng.standard_normal((H, H)),
        rng.standard_normal(H),
        target,
    )
