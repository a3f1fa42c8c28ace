"""
rank = 9
scale = 8
read = ["https://arxiv.org/abs/1706.03762", "https://cs231n.github.io/optimization-2/"]

[en]
title = "Attention with one head"
teaches = "products of two arrays that both have gradients, a softmax in the middle, and an input that is used three times"

[zh]
title = "单头注意力"
teaches = "两个因子都要求梯度的乘积，夹在中间的 softmax，以及用了三次的输入"

[steps.dout]
of = "out"
shape = "(T, V)"
en = "Back from the loss."
zh = "从损失回来。"
hints.en = ["Differentiate half a square."]
hints.zh = ["对平方的一半求导。"]

[steps.dv]
of = "v"
shape = "(T, V)"
en = "A product of two arrays: first to its second factor."
zh = "两个数组的乘积：先到第二个因子。"
hints.en = ["v[s] is multiplied by weights[t, s] for every t.", "The shapes: (T, T) and (T, V). Which of the two is transposed?"]
hints.zh = ["对每个 t，v[s] 都与 weights[t, s] 相乘。", "形状是 (T, T) 与 (T, V)：哪一个要转置？"]

[steps.dweights]
of = "weights"
shape = "(T, T)"
en = "And to its first factor."
zh = "再到第一个因子。"
hints.en = ["weights[t, s] is multiplied by v[s, :].", "A product over the axis V."]
hints.zh = ["weights[t, s] 与 v[s, :] 相乘。", "沿 V 轴作乘积。"]

[steps.dscores]
of = "scores"
shape = "(T, T)"
en = "Back through the softmax of each row. No label chooses an entry here: every score of a row affects every weight of the row."
zh = "穿过每一行的 softmax。这里没有标签挑选元素：一行中的每一个都影响每一个。"
hints.en = ["The derivative of weights[t, s] with respect to scores[t, r] is weights[t, s] times ((1 if s is r, else 0) minus weights[t, r]).", "Multiply by dweights[t, s] and add up over s: from each entry of dweights subtract the weighted mean of its row, then multiply entry by entry."]
hints.zh = ["weights[t, s] 对 scores[t, r] 的导数，是 weights[t, s] 乘以（s 等于 r 时为 1，否则为 0，再减去 weights[t, r]）。", "乘上传回来的量并对 s 求和：逐元素相乘，再减去传回来的量以权重加权的平均。"]

[steps.dq]
of = "q"
shape = "(T, K)"
en = "Back through the scaled product, to the queries."
zh = "穿过带缩放的乘积，到查询。"
hints.en = ["q[t] is multiplied by every k[s].", "The scale of the product is a constant factor: it stays."]
hints.zh = ["q[t] 与每个 k[s] 相乘。", "乘积的缩放是常数因子，要保留。"]

[steps.dk]
of = "k"
shape = "(T, K)"
en = "And to the keys: k was transposed."
zh = "再到键：k 曾被转置。"
hints.en = ["k[s] is multiplied by every q[t]: a sum over t.", "Rows and columns of dscores change places here."]
hints.zh = ["k[s] 与每个 q[t] 相乘：对 t 求和。", "这里 dscores 的行与列要互换。"]

[steps.dWq]
of = "Wq"
shape = "(D, K)"
en = "Three layers without a bias: the first."
zh = "三个没有偏置的层：第一个。"
hints.en = ["As for the weights of every affine layer."]
hints.zh = ["与任何仿射层的权重一样。"]

[steps.dWk]
of = "Wk"
shape = "(D, K)"
en = "The second."
zh = "第二个。"
hints.en = ["As before, with the keys."]
hints.zh = ["同上，换成键。"]

[steps.dWv]
of = "Wv"
shape = "(D, V)"
en = "The third."
zh = "第三个。"
hints.en = ["As before, with the values."]
hints.zh = ["同上，换成值。"]

[steps.dx]
of = "x"
shape = "(T, D)"
en = "x is used three times."
zh = "x 用了三次。"
hints.en = ["The gradients through the three layers add up.", "Each is the product of the gradient of the layer's output and the layer's weights."]
hints.zh = ["从三个层各自传回来的量，相加。", "每一份都是传回到该层输出的量与该层权重的乘积。"]
"""

import numpy as np


def attention(x, Wq, Wk, Wv, target):
    K = Wq.shape[1]
    q = x @ Wq  # (T, K)
    k = x @ Wk  # (T, K)
    v = x @ Wv  # (T, V)
    scores = q @ k.T / K**0.5  # (T, T)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = e / e.sum(axis=1, keepdims=True)  # (T, T)
    out = weights @ v  # (T, V)
    loss = 0.5 * np.sum((out - target) ** 2)

    # step dout
    dout = out - target

    # step dv
    dv = weights.T @ dout

    # step dweights
    dweights = dout @ v.T

    # step dscores
    dscores = weights * (dweights - (dweights * weights).sum(axis=1, keepdims=True))

    # step dq
    dq = dscores @ k / K**0.5

    # step dk
    dk = dscores.T @ q / K**0.5

    # step dWq
    dWq = x.T @ dq

    # step dWk
    dWk = x.T @ dk

    # step dWv
    dWv = x.T @ dv

    # step dx
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T

    return loss, dx, dWq, dWk, dWv


def example(rng, scale=1):
    T, D, K, V = 5 * scale, 4 * scale, 3 * scale, 6 * scale
    x, target = rng.standard_normal((T, D)), rng.standard_normal((T, V))
    return x, rng.standard_normal((D, K)), rng.standard_normal((D, K)), rng.standard_normal((D, V)), target
