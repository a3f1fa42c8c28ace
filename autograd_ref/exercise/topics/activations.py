"""
rank = 3
scale = 200
read = ["https://cs231n.github.io/neural-networks-1/", "handgrad.activations"]

[en]
title = "Activations"
teaches = "the slope of each function, with the exponentials that the forward pass has already computed"

[zh]
title = "激活函数"
teaches = "每个函数的斜率；已经算过的指数不必再算"

[steps.dz_relu]
of = "z_relu"
shape = "(N,)"
en = "Each function acts entry by entry; up_relu is the gradient that arrives at its output."
zh = "每个函数都逐元素作用，up 是传回到其输出的量：这里是 up_relu。"
hints.en = ["What is the slope of max(z, 0) on each side of 0?", "A condition is a mask of 0 and 1."]
hints.zh = ["max(z, 0) 在 0 的两侧斜率各是多少？", "条件就是由 0 和 1 组成的掩码。"]

[steps.dz_leaky]
of = "z_leaky"
shape = "(N,)"
en = "The slope is one of two numbers."
zh = "斜率是两个数之一。"
hints.en = ["np.where chooses between two values, entry by entry.", "Read both slopes off the forward line."]
hints.zh = ["np.where 逐元素在两个值之间取舍。", "两个斜率都可以从前向那一行读出。"]

[steps.dz_sigmoid]
of = "z_sigmoid"
shape = "(N,)"
en = "Write the slope in terms of the output alone."
zh = "只用输出来写斜率。"
hints.en = ["Differentiate (1 + exp(-z)) to the power of -1.", "Write the result as a product of the output and its distance from 1."]
hints.zh = ["对 (1 + exp(-z)) 的 -1 次方求导。", "把结果写成输出与“1 减输出”的乘积。"]

[steps.dz_tanh]
of = "z_tanh"
shape = "(N,)"
en = "Write the slope in terms of the output alone."
zh = "只用输出来写斜率。"
hints.en = ["tanh is sinh / cosh; use the rule for quotients.", "cosh squared minus sinh squared is 1."]
hints.zh = ["tanh 是 sinh / cosh，用商的求导法则。", "cosh 的平方减 sinh 的平方等于 1。"]

[steps.dz_elu]
of = "z_elu"
shape = "(N,)"
en = "Below 0 the slope is an exponential, above it is 1."
zh = "0 以下斜率是指数函数，0 以上是 1。"
hints.en = ["Below 0 the function is exp(z) - 1: what is its slope?", "The output there is this exponential minus 1."]
hints.zh = ["0 以下函数是 exp(z) - 1，斜率是什么？", "那里的输出就是指数减 1。"]

[steps.dz_softplus]
of = "z_softplus"
shape = "(N,)"
en = "The slope is one of the functions above."
zh = "斜率是上面出现过的一个函数。"
hints.en = ["Differentiate log(1 + exp(z)).", "Divide numerator and denominator by exp(z)."]
hints.zh = ["对 log(1 + exp(z)) 求导。", "分子分母同除以 exp(z)。"]

[steps.dz_silu]
of = "z_silu"
shape = "(N,)"
en = "z times its sigmoid: the rule for products."
zh = "z 乘以它的 sigmoid：乘积的求导法则。"
hints.en = ["z is used twice: as a factor, and in the gate.", "The gate is a sigmoid, whose slope you have written above."]
hints.zh = ["z 用了两次：一次作因子，一次在 gate 中。", "gate 的斜率就是 sigmoid 的斜率。"]

[steps.dz_gelu]
of = "z_gelu"
shape = "(N,)"
en = "z times the normal distribution function."
zh = "z 乘以正态分布函数。"
hints.en = ["The rule for products again: z as a factor, and z in the distribution function.", "The slope of a distribution function is the density; the normal density contains exp(-z * z / 2)."]
hints.zh = ["又是乘积的求导法则：z 作因子，z 也在分布函数中。", "分布函数的斜率是密度函数；正态分布的密度含有 exp(-z * z / 2)。"]

[steps.dz_gelu_tanh]
of = "z_gelu_tanh"
shape = "(N,)"
en = "The same with tanh in place of the distribution function: one more link in the chain."
zh = "把分布函数换成 tanh：链条多一环。"
hints.en = ["inside is a polynomial in z: differentiate it first.", "Then the slope of tanh, in terms of its output, times the slope of inside; and the rule for products."]
hints.zh = ["inside 是 z 的多项式：先对它求导。", "再乘 tanh 的斜率（用其输出来写）；最后用乘积的求导法则。"]
"""

import numpy as np
from scipy.special import erf


def activations(z, up):
    z_relu, z_leaky, z_sigmoid, z_tanh, z_elu, z_softplus, z_silu, z_gelu, z_gelu_tanh = z
    up_relu, up_leaky, up_sigmoid, up_tanh, up_elu, up_softplus, up_silu, up_gelu, up_gelu_tanh = up
    relu = np.maximum(z_relu, 0)
    leaky = np.where(z_leaky > 0, z_leaky, 0.01 * z_leaky)
    sigmoid = 1 / (1 + np.exp(-z_sigmoid))
    tanh = np.tanh(z_tanh)
    elu = np.where(z_elu > 0, z_elu, np.exp(z_elu) - 1)
    softplus = np.log(1 + np.exp(z_softplus))
    gate = 1 / (1 + np.exp(-z_silu))
    silu = z_silu * gate
    distribution = 0.5 * (1 + erf(z_gelu / np.sqrt(2.0)))
    gelu = z_gelu * distribution
    inside = np.sqrt(2 / np.pi) * (z_gelu_tanh + 0.044715 * z_gelu_tanh**3)
    gelu_tanh = 0.5 * z_gelu_tanh * (1 + np.tanh(inside))
    loss = np.sum(up_relu * relu + up_leaky * leaky + up_sigmoid * sigmoid + up_tanh * tanh + up_elu * elu)
    loss = loss + np.sum(up_softplus * softplus + up_silu * silu + up_gelu * gelu + up_gelu_tanh * gelu_tanh)

    # step dz_relu
    dz_relu = up_relu * (z_relu > 0)

    # step dz_leaky
    dz_leaky = up_leaky * np.where(z_leaky > 0, 1, 0.01)

    # step dz_sigmoid
    dz_sigmoid = up_sigmoid * sigmoid * (1 - sigmoid)

    # step dz_tanh
    dz_tanh = up_tanh * (1 - tanh**2)

    # step dz_elu
    dz_elu = up_elu * np.where(z_elu > 0, 1, elu + 1)

    # step dz_softplus
    dz_softplus = up_softplus / (1 + np.exp(-z_softplus))

    # step dz_silu
    dz_silu = up_silu * (gate + z_silu * gate * (1 - gate))

    # step dz_gelu
    density = np.exp(-(z_gelu**2) / 2) / np.sqrt(2 * np.pi)
    dz_gelu = up_gelu * (distribution + z_gelu * density)

    # step dz_gelu_tanh
    bent = np.tanh(inside)
    slope = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z_gelu_tanh**2)
    dz_gelu_tanh = up_gelu_tanh * (0.5 * (1 + bent) + 0.5 * z_gelu_tanh * (1 - bent**2) * slope)

    dz = np.stack(
        [dz_relu, dz_leaky, dz_sigmoid, dz_tanh, dz_elu, dz_softplus, dz_silu, dz_gelu, dz_gelu_tanh]
    )
    return loss, dz


def example(rng, scale=1):
    return rng.standard_normal((9, 6 * scale)), rng.standard_normal((9, 6 * scale))
