// How one entry of a quantity comes about: the sum in numbers, and the entries that it is made of.
const explain = (() => {
  const write = (x, digits = 4) => {
    if (!Number.isFinite(x)) return x > 0 ? "∞" : x < 0 ? "−∞" : "?";
    const text = x.toFixed(digits);
    const short = text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
    return short === "-0" ? "0" : short.replace("-", "−");
  };
  // A factor or a term: a negative number in brackets wherever it is not the first.
  const factor = (x) => (x < 0 ? `(${write(x)})` : write(x));
  const plus = (x) => (x < 0 ? ` − ${write(-x)}` : ` + ${write(x)}`);

  const sumOfProducts = (pairs) => pairs.map(([a, b], k) => (k ? factor(a) : write(a)) + "·" + factor(b)).join(" + ");
  const sum = (terms) => terms.map((x, k) => (k ? plus(x) : write(x))).join("");

  // For each step and quantity: of the numbers, a row and a column, the right-hand side and the entries in it.
  const affine = (x, W, b) => (v, n, j) => {
    const row = v[x][n], used = row.map((_, i) => [[x, n, i], [W, i, j]]).flat();
    return [sumOfProducts(row.map((a, i) => [a, v[W][i][j]])) + plus(v[b][0][j]), [...used, [b, 0, j]]];
  };
  const weights = (x, dz) => (v, i, j) => [
    sumOfProducts(v[x].map((row, n) => [row[i], v[dz][n][j]])),
    v[x].map((_, n) => [[x, n, i], [dz, n, j]]).flat(),
  ];
  const biases = (dz) => (v, _, j) => [sum(v[dz].map((row) => row[j])), v[dz].map((_, n) => [dz, n, j])];
  const penalty = (W, data) => (v, i, j) => [
    `${write(v[data][i][j])} + 4·${factor(v["given/reg"][0][0])}·${factor(v[W][i][j])}`,
    [[data, i, j], [W, i, j], ["given/reg", 0, 0]],
  ];
  const labelled = (v, n) => v["given/y"][0][n];
  const rules = {
    "z1/z1": affine("given/X", "given/W1", "given/b1"),
    "h1/h1": (v, n, j, activation) => {
      const z = v["z1/z1"][n][j];
      return [activation === "relu" ? `max(${write(z)}, 0)` : `${activation}(${write(z)})`, [["z1/z1", n, j]]];
    },
    "scores/scores": affine("h1/h1", "given/W2", "given/b2"),
    "data_loss/probs": (v, n, j) => {
      const e = v["scores/scores"][n].map((s) => `e^${factor(s)}`);
      return [`${e[j]} / (${e.join(" + ")})`, e.map((_, k) => ["scores/scores", n, k])];
    },
    "data_loss/data_loss": (v) => {
      const p = v["data_loss/probs"], right = p.map((row, n) => row[labelled(v, n)]);
      const used = right.map((_, n) => ["data_loss/probs", n, labelled(v, n)]);
      return [`−(${right.map((x) => `log ${write(x)}`).join(" + ")}) / ${p.length}`, used];
    },
    "loss/loss": (v) => {
      const squares = ["given/W1", "given/W2"].map((q) => v[q].flat().reduce((s, x) => s + x * x, 0));
      const used = [["data_loss/data_loss", 0, 0], ["given/reg", 0, 0]];
      return [`${write(v["data_loss/data_loss"][0][0])} + 2·${factor(v["given/reg"][0][0])}·(${squares.map((x) => write(x)).join(" + ")})`, used];
    },
    "dscores/dscores": (v, n, j) => {
      const p = write(v["data_loss/probs"][n][j]), N = v["given/y"][0].length;
      return [j === labelled(v, n) ? `(${p} − 1) / ${N}` : `${p} / ${N}`, [["data_loss/probs", n, j], ["given/y", 0, n]]];
    },
    "dh1/dh1": (v, n, i) => {
      const row = v["dscores/dscores"][n];
      const used = row.map((_, j) => [["dscores/dscores", n, j], ["given/W2", i, j]]).flat();
      return [sumOfProducts(row.map((d, j) => [d, v["given/W2"][i][j]])), used];
    },
    "dh1/dW2": weights("h1/h1", "dscores/dscores"),
    "dh1/db2": biases("dscores/dscores"),
    "dW2_penalty/dW2": penalty("given/W2", "dh1/dW2"),
    "dz1/dz1": (v, n, j, activation) => {
      const slope = network.activations[activation][1](v["z1/z1"][n][j]);
      return [`${write(v["dh1/dh1"][n][j])}·${factor(slope)}`, [["dh1/dh1", n, j], ["z1/z1", n, j]]];
    },
    "dW1/dW1": weights("given/X", "dz1/dz1"),
    "dW1/db1": biases("dz1/dz1"),
    "dW1_penalty/dW1": penalty("given/W1", "dW1/dW1"),
    ...Object.fromEntries(["W1"].map((q) => [`update/${q}`, (v, i, j) => [
      `${write(v[`given/${q}`][i][j])} − ${network.LEARNING_RATE}·${factor(v[`last/d${q}`][i][j])}`,
      [[`given/${q}`, i, j], [`last/d${q}`, i, j]],
    ]])),
  };
  // An entry as one writes it in Python.
  const named = (name, value, i, j) => {
    if (value.length === 1 && value[0].length === 1 && !/[Wbzhsp]/.test(name[name.startsWith("d") ? 1 : 0])) return name;
    return /b[12]$|^y$/.test(name) ? `${name}[${j}]` : `${name}[${i}, ${j}]`;
  };
  const of = (key, v, i, j, activation) => {
    if (!(key in rules)) return null;
    const name = key.slice(key.indexOf("/") + 1);
    const [right, uses] = rules[key](v, i, j, activation);
    const scalar = name === "loss" || name === "data_loss";
    return { entry: scalar ? name : named(name, v[key], i, j), right, value: write(v[key][i][j]), uses };
  };
  return { of, write, keys: Object.keys(rules) };
})();
