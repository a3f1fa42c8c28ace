"""
rank = 1
scale = 8
read = [
    "https://cs231n.github.io/optimization-2/",
    "https://cs231n.github.io/neural-networks-case-study/",
    "handgrad.layers.affine_backward",
    "handgrad.layers.softmax_cross_entropy_backward",
]

[en]
title = "Two-layer network"
teaches = "the chain rule from the loss back to the first weights, and a penalty that adds to a gradient"

[zh]
title = "两层网络"
teaches = "链式法则：从损失一路回到第一层权重；正则项给梯度加上的那一项"

[steps.dscores]
of = "scores"
shape = "(N, C)"
en = "The softmax, its logarithm and the mean over the batch, all at once."
zh = "softmax、取对数、对整批求平均，三者合为一步。"
hints.en = [
    "Write the loss of one example as log(sum of exp(scores)) minus the score of the right class. Differentiate with respect to one score.",
    "The slope of log(sum of exp) is a probability that the forward pass already has. The right class has one more term.",
    "Each row, added up, gives 0. And how often does one example count in a mean over N?",
]
hints.zh = [
    "把一个样本的损失写成 log(各得分的 exp 之和) 减去它自己那一类的得分，再对某一个得分求导。",
    "log(exp 之和) 的导数是一个概率，前向传播里已经有了；自己那一类还多出一项。",
    "每一行加起来应为 0。另外，在对 N 个样本的平均里，一个样本占多少？",
]

[steps.dW2]
of = "W2"
shape = "(H, C)"
en = "W2 is used twice: in the scores and in the penalty. The contributions of both uses add up."
zh = "W2 用了两次：一次算得分，一次算正则项。从两处传回来的量要相加。"
hints.en = [
    "For the scores: the entry W2[i, j] is multiplied by h1[n, i] in every row n. Add up over n, as a matrix product.",
    "Which of the two factors must be transposed so that the shapes give (H, C)?",
    "For the penalty: differentiate the line of the loss as it is written; mind every constant in it.",
]
hints.zh = [
    "先看得分：在每一行 n，W2[i, j] 都与 h1[n, i] 相乘。对 n 求和，写成矩阵乘积。",
    "两个因子中哪一个要转置，形状才是 (H, C)？",
    "再看正则项：照损失那一行写的样子求导，一个常数也不要漏。",
]

[steps.db2]
of = "b2"
shape = "(C,)"
en = "b2 is added to every row of the scores."
zh = "b2 加到得分的每一行上。"
hints.en = [
    "One number of b2 feeds N scores, each with slope 1. All the contributions add up.",
    "Over which axis must you add to be left with the shape (C,)?",
]
hints.zh = [
    "b2 的一个分量影响 N 个得分，斜率都是 1；从它们传回来的量要相加。",
    "沿哪个轴求和，剩下的形状才是 (C,)？",
]

[steps.dh1]
of = "h1"
shape = "(N, H)"
en = "Back through the second layer, to its input."
zh = "穿过第二层，回到它的输入。"
hints.en = [
    "h1[n, i] feeds all C scores of its row, each with a slope from W2.",
    "It is one matrix product, and the shapes leave one way to write it.",
]
hints.zh = [
    "h1[n, i] 影响它那一行的全部 C 个得分，斜率就是 W2 中对应的数。",
    "只是一个矩阵乘积；形状只允许一种写法。",
]

[steps.dz1]
of = "z1"
shape = "(N, H)"
en = "Back through the ReLU."
zh = "穿过 ReLU。"
hints.en = [
    "What is the slope of max(z1, 0) where z1 is positive, and what is it where z1 is negative?",
    "A slope that depends on the entry is a factor for each entry: a mask.",
]
hints.zh = [
    "z1 为正时，max(z1, 0) 的斜率是多少？z1 为负时呢？",
    "斜率因元素而异，就是给每个元素乘一个因子：一个掩码。",
]

[steps.dW1]
of = "W1"
shape = "(D, H)"
en = "As for W2: the first layer, and the penalty."
zh = "和 W2 一样：第一层，再加正则项。"
hints.en = [
    "The first layer is the second one with other names: what was its input, and what is the adjoint of its output?",
    "The penalty contains W1 in the same way as W2.",
]
hints.zh = [
    "第一层与第二层只是名称不同：它的输入是什么？它的输出的伴随量是什么？",
    "正则项里，W1 与 W2 的地位完全一样。",
]

[steps.db1]
of = "b1"
shape = "(H,)"
en = "As for b2."
zh = "和 b2 一样。"
hints.en = ["b1 is added to every row of z1."]
hints.zh = ["b1 加到 z1 的每一行上。"]
"""

import numpy as np


def network(X, y, W1, b1, W2, b2, reg):
    N, C = X.shape[0], b2.shape[0]
    z1 = X @ W1 + b1  # (N, H)
    h1 = np.maximum(z1, 0)  # (N, H)
    scores = h1 @ W2 + b2  # (N, C)
    shifted = scores - scores.max(axis=1, keepdims=True)
    probs = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)  # (N, C)
    data_loss = -np.log(probs[np.arange(N), y]).mean()
    loss = data_loss + 2 * reg * (np.sum(W1**2) + np.sum(W2**2))

    # step dscores
    dscores = (probs - np.eye(C)[y]) / N

    # step dW2
    dW2 = h1.T @ dscores + 4 * reg * W2

    # step db2
    db2 = dscores.sum(axis=0)

    # step dh1
    dh1 = dscores @ W2.T

    # step dz1
    dz1 = dh1 * (z1 > 0)

    # step dW1
    dW1 = X.T @ dz1 + 4 * reg * W1

    # step db1
    db1 = dz1.sum(axis=0)

    return loss, dW1, db1, dW2, db2


def example(rng, scale=1):
    N, D, H, C = 5 * scale, 4 * scale, 6 * scale, 3 * scale
    X, y = rng.standard_normal((N, D)), rng.integers(C, size=N)
    W1, b1 = rng.standard_normal((D, H)), rng.standard_normal(H)
    W2, b2 = rng.standard_normal((H, C)), rng.standard_normal(C)
    return X, y, W1, b1, W2, b2, 0.1
