// NumPy's syntax for the operations that a backward pass takes: an expression in, an array or a refusal out.
// An array is its shape and its entries, row by row; a number has the shape [].
const numpy = (() => {
  class Refusal extends Error {
    constructor(id, figures = {}) { super(id); this.id = id; this.figures = figures; }
  }
  const refuse = (id, figures) => { throw new Refusal(id, figures); };
  const size = (shape) => shape.reduce((a, b) => a * b, 1);
  const written = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const scalar = (x) => ({ shape: [], data: [x] });
  const index = (shape, k) => {
    const found = [];
    for (let i = shape.length - 1; i >= 0; i--) { found.unshift(k % shape[i]); k = Math.floor(k / shape[i]); }
    return found;
  };
  const place = (shape, at) => at.reduce((k, i, axis) => k * shape[axis] + (shape[axis] === 1 ? 0 : i), 0);
  const LARGEST = 1e5;
  const make = (shape, entry) => (size(shape) > LARGEST ? refuse("large") : { shape, data: Array.from({ length: size(shape) }, (_, k) => entry(index(shape, k))) });
  const entry = (a, at) => a.data[place(a.shape, at.slice(at.length - a.shape.length))];

  const broadcast = (f, name) => (...arrays) => {
    const rank = Math.max(...arrays.map((a) => a.shape.length)), shape = [];
    for (let axis = 0; axis < rank; axis++) {
      const sizes = arrays.map((a) => a.shape[axis - rank + a.shape.length] ?? 1);
      const largest = sizes.includes(0) ? 0 : Math.max(...sizes);
      if (sizes.some((n) => n !== 1 && n !== largest)) refuse("shapes", { operation: name, shapes: arrays.map((a) => written(a.shape)).join(", ") });
      shape.push(largest);
    }
    return make(shape, (at) => f(...arrays.map((a) => entry(a, at))));
  };
  const transpose = (a) => make([...a.shape].reverse(), (at) => entry(a, [...at].reverse()));
  const product = (a, b) => {
    const [rows, inner] = a.shape.length === 2 ? a.shape : [1, a.shape[0]];
    const [same, columns] = b.shape.length === 2 ? b.shape : [b.shape[0], 1];
    if (!a.shape.length || !b.shape.length || inner !== same) refuse("shapes", { operation: "@", shapes: `${written(a.shape)}, ${written(b.shape)}` });
    const all = (i, j) => Array.from({ length: inner }, (_, k) => a.data[i * inner + k] * b.data[k * columns + j]).reduce((x, y) => x + y, 0);
    const shape = [...(a.shape.length === 2 ? [rows] : []), ...(b.shape.length === 2 ? [columns] : [])];
    return { shape, data: Array.from({ length: rows * columns }, (_, k) => all(Math.floor(k / columns), k % columns)) };
  };
  const reduce = (start, f, finish = (x) => x) => (a, { axis, keepdims } = {}) => {
    const rank = a.shape.length;
    const named = axis === undefined ? a.shape.map((_, i) => i) : [axis.data[0] < 0 ? axis.data[0] + rank : axis.data[0]];
    if (named.some((i) => !(i in a.shape))) refuse("axis", { axis: axis.data[0], shape: written(a.shape) });
    const kept = keepdims?.data[0] ? a.shape.map((n, i) => (named.includes(i) ? 1 : n)) : a.shape.filter((_, i) => !named.includes(i));
    const data = Array(size(kept)).fill(start);
    a.data.forEach((x, k) => {
      const at = index(a.shape, k), to = keepdims?.data[0] ? at : at.filter((_, i) => !named.includes(i));
      const where = place(kept, to);
      data[where] = f(data[where], x);
    });
    const count = named.reduce((n, i) => n * a.shape[i], 1);
    return { shape: kept, data: data.map((x) => finish(x, count)) };
  };
  const METHODS = {
    sum: reduce(0, (x, y) => x + y), mean: reduce(0, (x, y) => x + y, (x, n) => x / n), max: reduce(-Infinity, Math.max), min: reduce(Infinity, Math.min),
    copy: (a) => a, transpose, dot: product,
  };
  const truth = (f) => (a, b) => (f(a, b) ? 1 : 0);
  const OPERATORS = {
    "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "**": (a, b) => a ** b, "//": (a, b) => Math.floor(a / b),
    "<": truth((a, b) => a < b), ">": truth((a, b) => a > b), "<=": truth((a, b) => a <= b), ">=": truth((a, b) => a >= b), "==": truth((a, b) => a === b), "!=": truth((a, b) => a !== b),
  };
  const entrywise = Object.fromEntries(Object.entries({
    exp: Math.exp, log: Math.log, sqrt: Math.sqrt, tanh: Math.tanh, abs: Math.abs, sign: Math.sign, square: (x) => x * x,
    maximum: Math.max, minimum: Math.min, where: (c, a, b) => (c ? a : b), multiply: OPERATORS["*"], add: OPERATORS["+"], subtract: OPERATORS["-"], divide: OPERATORS["/"],
  }).map(([name, f]) => [name, broadcast(f, `np.${name}`)]));
  const FUNCTIONS = {
    ...METHODS, ...entrywise, matmul: product,
    eye: (n) => make([n.data[0], n.data[0]], ([i, j]) => (i === j ? 1 : 0)),
    zeros_like: (a) => make(a.shape, () => 0), ones_like: (a) => make(a.shape, () => 1),
    outer: (a, b) => make([a.data.length, b.data.length], ([i, j]) => a.data[i] * b.data[j]),
    arange: (n) => make([n.data[0]], ([i]) => i),
  };
  // Whole numbers choose along the first axis, : keeps an axis, None makes one.
  const choose = (a, keys) => {
    const [first] = keys;
    if (keys.length === 1 && first.shape) {
      if (!a.shape.length) refuse("index");
      const [n, ...rest] = a.shape, step = size(rest);
      const rows = first.data.map((i) => (i < 0 ? i + n : i));
      if (rows.some((i) => !(Number.isInteger(i) && i >= 0 && i < n))) refuse("index");
      return { shape: [...first.shape, ...rest], data: rows.flatMap((i) => a.data.slice(i * step, (i + 1) * step)) };
    }
    if (keys.some((key) => key !== ":" && key !== "None") || keys.filter((key) => key === ":").length > a.shape.length) refuse("index");
    const left = [...a.shape];
    return { shape: [...keys.map((key) => (key === ":" ? left.shift() : 1)), ...left], data: a.data };
  };

  const TOKEN = /\s*(?:(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?)|([A-Za-z_]\w*)|(\*\*|\/\/|[<>=!]=|[-+*/@()[\],.<>=:]))/iy;
  const tokens = (text) => {
    const found = [];
    TOKEN.lastIndex = 0;
    for (let at = 0; text.slice(at).trim();) {
      TOKEN.lastIndex = at;
      const match = TOKEN.exec(text);
      if (!match) refuse("syntax", { at: text.slice(at).trim().slice(0, 12) });
      at = TOKEN.lastIndex;
      found.push({ number: match[1], name: match[2], sign: match[3], text: match[0].trim() });
    }
    return found;
  };

  const evaluate = (text, names) => {
    const list = tokens(text);
    let i = 0;
    const next = (sign) => list[i]?.sign === sign;
    const accept = (sign) => next(sign) && Boolean(++i);
    const wrong = () => (i < list.length ? refuse("syntax", { at: list[i].text }) : refuse("end"));
    const expect = (sign) => { if (!accept(sign)) wrong(); };
    const infix = (inner, signs) => () => {
      let left = inner();
      while (list[i]?.sign && signs.includes(list[i].sign)) {
        const { sign } = list[i++], right = inner();
        left = sign === "@" ? product(left, right) : broadcast(OPERATORS[sign], sign)(left, right);
      }
      return left;
    };
    const call = (f, name, first = []) => {
      const given = first, options = {};
      while (!accept(")")) {
        if (list[i]?.name && list[i + 1]?.sign === "=") {
          const key = list[i].name;
          i += 2;
          if (key !== "axis" && key !== "keepdims") refuse("unknown", { name: `${name}(${key}=…)` });
          options[key] = comparison();
        } else given.push(comparison());
        if (!next(")")) expect(",");
      }
      if (f in METHODS || f in FUNCTIONS) {
        const known = FUNCTIONS[f];
        if (["sum", "mean", "max", "min"].includes(f)) return known(given[0] ?? wrong(), given.length > 1 ? { axis: given[1], ...options } : options);
        if (given.length < Math.max(known.length, 1)) wrong();
        return known(...given);
      }
      return refuse("unknown", { name });
    };
    const keys = () => {
      const found = [];
      do {
        if (accept(":")) found.push(":");
        else if (list[i]?.name === "None") { i++; found.push("None"); } else found.push(comparison());
      } while (accept(","));
      expect("]");
      return found;
    };
    const atom = () => {
      const token = list[i];
      if (!token) wrong();
      if (accept("(")) {
        const inside = comparison();
        expect(")");
        return inside;
      }
      if (token.number !== undefined) { i++; return scalar(Number(token.number)); }
      if (token.name === undefined) wrong();
      i++;
      if (token.name === "True" || token.name === "False") return scalar(token.name === "True" ? 1 : 0);
      if (token.name === "np" || token.name === "numpy") {
        expect(".");
        const { name } = list[i] ?? {};
        if (!name) wrong();
        i++;
        expect("(");
        return call(name, `np.${name}`);
      }
      if (token.name === "len" && accept("(")) {
        const a = comparison();
        expect(")");
        return scalar(a.shape[0] ?? wrong());
      }
      return Object.hasOwn(names, token.name) ? names[token.name] : refuse("name", { name: token.name });
    };
    const postfix = () => {
      let value = atom();
      for (;;) {
        if (accept("[")) { value = choose(value, keys()); continue; }
        if (!accept(".")) return value;
        const { name } = list[i] ?? {};
        if (!name) wrong();
        i++;
        if (name === "T") value = transpose(value);
        else if (name === "shape") value = { shape: [value.shape.length], data: value.shape };
        else if (accept("(")) value = name in METHODS ? call(name, `.${name}`, [value]) : refuse("unknown", { name: `.${name}` });
        else refuse("unknown", { name: `.${name}` });
      }
    };
    const power = () => {
      const base = postfix();
      return accept("**") ? broadcast(OPERATORS["**"], "**")(base, unary()) : base;
    };
    const unary = () => (accept("-") ? broadcast((x) => -x, "-")(unary()) : accept("+") ? unary() : power());
    const terms = infix(unary, ["*", "/", "@", "//"]);
    const sums = infix(terms, ["+", "-"]);
    const comparison = infix(sums, ["<", ">", "<=", ">=", "==", "!="]);
    if (list[0]?.name && list[1]?.sign === "=") i = 2; // dW2 = ...
    const value = comparison();
    if (i < list.length) wrong();
    return value;
  };
  return { Refusal, evaluate, transpose, written };
})();
