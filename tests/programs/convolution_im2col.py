"""A convolution as one matrix product of gathered patches; backward with np.add.at."""

import numpy as np


def im2col_indices(shape, height, width, padding, stride):
    N, C, H, W = shape
    out_height = (H + 2 * padding - height) // stride + 1
    out_width = (W + 2 * padding - width) // stride + 1
    i0 = np.tile(np.repeat(np.arange(height), width), C)
    i1 = stride * np.repeat(np.arange(out_height), out_width)
    j0 = np.tile(np.arange(width), height * C)
    j1 = stride * np.tile(np.arange(out_width), out_height)
    i = i0.reshape(-1, 1) + i1.reshape(1, -1)
    j = j0.reshape(-1, 1) + j1.reshape(1, -1)
    k = np.repeat(np.arange(C), height * width).reshape(-1, 1)
    return k, i, j, out_height, out_width


def conv_forward(x, w, b, padding=1, stride=1):
    F, C, height, width = w.shape
    k, i, j, out_height, out_width = im2col_indices(x.shape, height, width, padding, stride)
    x_padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    cols = x_padded[:, k, i, j].transpose(1, 2, 0).reshape(height * width * C, -1)
    out = w.reshape(F, -1) @ cols + b.reshape(-1, 1)
    out = out.reshape(F, out_height, out_width, x.shape[0]).transpose(3, 0, 1, 2)
    return out, (x, w, cols, padding, stride)


def conv_backward(dout, cache):
    x, w, cols, padding, stride = cache
    N, C, H, W = x.shape
    F, _, height, width = w.shape
    db = np.sum(dout, axis=(0, 2, 3))
    rows = dout.transpose(1, 2, 3, 0).reshape(F, -1)
    dw = (rows @ cols.T).reshape(w.shape)
    dcols = w.reshape(F, -1).T @ rows
    k, i, j, _, _ = im2col_indices(x.shape, height, width, padding, stride)
    dx_padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dtype=dcols.dtype)
    patches = dcols.reshape(C * height * width, -1, N).transpose(2, 0, 1)
    np.add.at(dx_padded, (slice(None), k, i, j), patches)
    dx = dx_padded if padding == 0 else dx_padded[:, :, padding:-padding, padding:-padding]
    return dx, dw, db
