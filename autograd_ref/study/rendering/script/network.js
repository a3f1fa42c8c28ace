"use strict";
// The network and its gradient, as handgrad computes them: every number of the page, from what a reader enters.
// Matrices are arrays of rows. A vector is one row.
const network = (() => {
  const LEARNING_RATE = 0.1, LEARNING_RATES = [0.01, 0.1, 0.5, 1, 2];
  const LEAK = 0.01, GELU_CUBIC = 0.044715, FAR = 40;

  // The activations and their slopes, one entry at a time; the derivations are those of handgrad/activations.py.
  const sigmoid = (z) => (z >= 0 ? 1 : Math.exp(z)) / (1 + Math.exp(-Math.abs(z)));
  const sigmoidSlope = (z) => { const e = Math.exp(-Math.abs(z)); return e / (1 + e) ** 2; };
  const near = (z) => Math.max(-FAR, Math.min(FAR, z));
  const density = (z) => Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  // The normal distribution function: its series near 0 (Marsaglia, "Evaluating the normal distribution",
  // J. Stat. Software 11, 2004), in the tails the continued fraction of Mills's ratio.
  const normal = (z) => {
    if (Math.abs(z) > 2.5) {
      let fraction = 0;
      for (let k = 200; k > 0; k--) fraction = k / (Math.abs(z) + fraction);
      const tail = density(z) / (Math.abs(z) + fraction);
      return z > 0 ? 1 - tail : tail;
    }
    let term = z, sum = z;
    for (let k = 3; Math.abs(term) > 1e-20; k += 2) { term *= z * z / k; sum += term; }
    return 0.5 + density(z) * sum;
  };
  const exponent = (z) => {
    const c = Math.sqrt(8 / Math.PI), square = GELU_CUBIC * z * z;
    return [c * z * (1 + square), c * (1 + 3 * square)];
  };
  const activations = {
    relu: [(z) => Math.max(z, 0), (z) => (z > 0 ? 1 : 0)],
    leaky_relu: [(z) => Math.max(z, LEAK * z), (z) => (z > 0 ? 1 : LEAK)],
    sigmoid: [sigmoid, sigmoidSlope],
    tanh: [Math.tanh, (z) => { const e = Math.exp(-Math.abs(z)) ** 2; return 4 * e / (1 + e) ** 2; }],
    elu: [(z) => (z > 0 ? z : Math.expm1(z)), (z) => Math.exp(Math.min(z, 0))],
    gelu: [(z) => z * normal(near(z)), (z) => normal(near(z)) + near(z) * density(near(z))],
    gelu_tanh: [
      (z) => z * sigmoid(exponent(near(z))[0]),
      (z) => { const [v, dv] = exponent(near(z)); return sigmoid(v) + near(z) * sigmoidSlope(v) * dv; },
    ],
    silu: [(z) => z * sigmoid(z), (z) => sigmoid(z) + z * sigmoidSlope(z)],
    softplus: [(z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))), sigmoid],
  };

  const map = (f, ...matrices) => matrices[0].map((row, i) => row.map((_, j) => f(...matrices.map((m) => m[i][j]), i, j)));
  const transpose = (m) => m[0].map((_, j) => m.map((row) => row[j]));
  const product = (a, b) => a.map((row) => b[0].map((_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0)));
  const affine = (x, W, b) => map((z, i, j) => z + b[0][j], product(x, W));
  const sumOfRows = (m) => [m[0].map((_, j) => m.reduce((sum, row) => sum + row[j], 0))];
  const square = (m) => m.flat().reduce((sum, x) => sum + x * x, 0);
  const plus = (a, b, factor) => map((x, y) => x + factor * y, a, b);

  // The steps of `trace_gradients`, by their keys. To z1, h1 and scores something may be added, for differences.
  const forward = (given, added = {}) => {
    const [activate] = activations[given.activation];
    const tap = (name, value) => (added[name] ? plus(value, added[name], 1) : value);
    const y = given.y[0], N = y.length;
    const z1 = tap("z1", affine(given.X, given.W1, given.b1));
    const h1 = tap("h1", map(activate, z1));
    const scores = tap("scores", affine(h1, given.W2, given.b2));
    const shifted = scores.map((row) => row.map((s) => Math.max(s - Math.max(...row), -Number.MAX_VALUE / 2)));
    const totals = shifted.map((row) => row.reduce((sum, s) => sum + Math.exp(s), 0));
    const probs = map((s, n) => Math.exp(s) / totals[n], shifted);
    const data = totals.reduce((sum, total, n) => sum + (Math.log(total) - shifted[n][y[n]]) / N, 0);
    const loss = data + 2 * given.reg[0][0] * (square(given.W1) + square(given.W2));
    return { z1: { z1 }, h1: { h1 }, scores: { scores }, data_loss: { data_loss: [[data]], probs }, loss: { loss: [[loss]] } };
  };
  const derive = (given) => {
    const steps = forward(given);
    const [, slope] = activations[given.activation];
    const y = given.y[0], N = y.length, reg = given.reg[0][0];
    const { z1 } = steps.z1, { h1 } = steps.h1, { probs } = steps.data_loss;
    const dscores = map((p, n, j) => (p - (j === y[n] ? 1 : 0)) / N, probs);
    const dh1 = product(dscores, transpose(given.W2));
    const dW2 = product(transpose(h1), dscores), db2 = sumOfRows(dscores);
    const dz1 = map((dh, z) => dh * slope(z), dh1, z1);
    const dW1 = product(transpose(given.X), dz1), db1 = sumOfRows(dz1);
    return {
      ...steps,
      dscores: { dscores },
      dh1: { dh1, dW2, db2 },
      dW2_penalty: { dW2: plus(dW2, given.W2, 4 * reg) },
      dz1: { dz1 },
      dW1: { dW1, db1 },
      dW1_penalty: { dW1: plus(dW1, given.W1, 4 * reg) },
    };
  };

  // Everything under the keys of autograd_ref/study/numbers.py.
  const PARAMETERS = ["W1", "b1", "W2", "b2"], GIVEN = ["X", "y", ...PARAMETERS, "reg"];
  const numbers = (given) => {
    const found = {}, last = {}, steps = derive(given);
    for (const name of GIVEN) found[`given/${name}`] = last[name] = given[name];
    for (const [step, made] of Object.entries(steps)) {
      for (const [name, value] of Object.entries(made)) found[`${step}/${name}`] = last[name] = value;
    }
    for (const [name, value] of Object.entries(last)) found[`last/${name}`] = value;
    const p = last.probs[0], y = given.y[0];
    const one = (n, j) => (j === y[n] ? 1 : 0);
    const dp = [p.map((_, j) => -one(0, j) / p[y[0]])];
    const jacobian = p.map((pk, k) => p.map((pj, j) => pk * ((k === j ? 1 : 0) - pj)));
    found["hard/dp"] = dp;
    found["hard/jacobian"] = jacobian;
    found["hard/long"] = product(dp, jacobian);
    found["hard/short"] = [p.map((pj, j) => pj - one(0, j))];
    found["hard/spoiled"] = map((pj, n, j) => pj - one(n, j), last.probs);
    for (const k of y.keys()) {
      const shard = { ...given, X: [given.X[k]], y: [[y[k]]], reg: [[0]] };
      found[`shards/${k}/dW1`] = derive(shard).dW1_penalty.dW1;
    }
    const moved = (rate) => Object.fromEntries(PARAMETERS.map((q) => [q, plus(given[q], last[`d${q}`], -rate)]));
    const steepness = PARAMETERS.reduce((sum, q) => sum + square(last[`d${q}`]), 0);
    found["update/square"] = [[steepness]];
    for (const [q, value] of Object.entries(moved(LEARNING_RATE))) found[`update/${q}`] = value;
    for (const rate of LEARNING_RATES) {
      found[`update/loss/${rate}`] = forward({ ...given, ...moved(rate) }).loss.loss;
      found[`update/predicted/${rate}`] = [[last.loss[0][0] - rate * steepness]];
    }
    return found;
  };

  // Central differences of the loss by every entry of what an adjoint belongs to. The penalty is left out where
  // a step has not added it yet.
  const differences = (given, step, name) => {
    const q = name.slice(1), whole = step.endsWith("_penalty");
    const point = whole ? given : { ...given, reg: [[0]] };
    const own = q in given ? given[q] : derive(given)[q][q];
    return own.map((row, i) => row.map((x, j) => {
      const h = 1e-5 * Math.max(1, Math.abs(x));
      const losses = [h, -h].map((by) => {
        const added = own.map((other, k) => other.map((_, m) => (k === i && m === j ? by : 0)));
        const there = q in given ? forward({ ...point, [q]: plus(own, added, 1) }) : forward(point, { [q]: added });
        return there.loss.loss[0][0];
      });
      return (losses[0] - losses[1]) / (2 * h);
    }));
  };
  return { activations, differences, numbers, GIVEN, LEARNING_RATE };
})();
