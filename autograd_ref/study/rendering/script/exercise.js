// Try it yourself: a reader types the backward pass, a line at a time; each is judged on the page's numbers, and
// on others that are made up, so that a number is not taken for a size. The activation is the ReLU.
{
  const { all } = page;
  const VECTORS = ["y", "b1", "b2", "db1", "db2"], PARTS = ["scores", "h1", "z1"];
  const array = (name, rows) => ({ shape: name === "reg" ? [] : VECTORS.includes(name) ? [rows[0].length] : [rows.length, rows[0].length], data: rows.flat() });
  const wave = (rows, columns, phase) => Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => Math.sin(1 + 2.3 * i + 3.7 * j + phase) * 1.3));
  const others = (given) => {
    const N = given.y[0].length + 3, D = given.X[0].length, H = given.W2.length, C = given.W2[0].length;
    return {
      X: wave(N, D, 0.1), y: [Array.from({ length: N }, (_, n) => (2 * n + 1) % C)], W1: wave(D, H, 0.7), b1: wave(1, H, 1.9), W2: wave(H, C, 2.3), b2: wave(1, C, 3.1),
      reg: [[0.37]],
    };
  };
  const points = (given) => [given, others(given)].map((each) => ({ ...each, activation: "relu" })).map((each) => {
    const values = network.numbers(each), names = {};
    for (const name of [...network.GIVEN, "z1", "h1", "scores", "probs", "dscores", "dW2", "db2", "dh1", "dz1", "dW1", "db1"]) names[name] = array(name, values[`last/${name}`]);
    names.N = { shape: [], data: [each.y[0].length] };
    names.C = { shape: [], data: [each.W2[0].length] };
    return names;
  });

  const same = (a, b) => {
    const largest = Math.max(...b.data.map(Math.abs), 1e-300);
    return a.shape.join() === b.shape.join() && a.data.every((x, k) => Math.abs(x - b.data[k]) <= 1e-9 * largest);
  };
  const scale = (a, b) => {
    const top = b.data.reduce((sum, x) => sum + x * x, 0), factor = a.data.reduce((sum, x, k) => sum + x * b.data[k], 0) / top;
    const scaled = { shape: b.shape, data: b.data.map((x) => factor * x) };
    return top && a.data.length > 1 && factor && same(a, scaled) ? factor : null;
  };
  const told = (x) => String(Number(x.toPrecision(4))).replace("-", "−");

  // What is wrong with a line: the key of a sentence, and what stands for the names in it.
  const judge = (name, text, given) => {
    const at = points(given), of = name.slice(1), made = [];
    try {
      for (const names of at) {
        const known = Object.fromEntries(Object.entries(names).filter(([other]) => !unwritten().includes(other)));
        made.push(numpy.evaluate(text, known));
      }
    } catch (error) {
      if (!(error instanceof numpy.Refusal)) throw error;
      if (!made.length) return [error.id, error.figures];
      return same(made[0], at[0][name]) ? ["elsewhere", { of }] : ["coincidence", error.figures];
    }
    const right = at.map((names) => names[name]);
    if (made.every((each, k) => same(each, right[k]))) return null;
    if (same(made[0], right[0])) return ["elsewhere", { of }];
    const [shape, wanted] = [made[0].shape, right[0].shape];
    const every = (test) => made.every((each, k) => test(each, right[k], at[k]));
    if (shape.join() !== wanted.join()) {
      return [every((a, b) => same(numpy.transpose(a), b)) ? "transposed" : "shape", { of, shape: numpy.written(shape), wanted: numpy.written(wanted) }];
    }
    if (made[0].data.some((x) => !Number.isFinite(x))) return ["infinite", {}];
    if (made.every((each) => each.data.every((x) => x === 0))) return ["zero", {}];
    const factors = made.map((each, k) => scale(each, right[k]));
    if (factors.every((factor) => factor !== null && Math.abs(factor + 1) < 1e-9)) return ["sign", { of }];
    const count = (k) => at[k].N.data[0];
    if (factors.every((factor, k) => factor !== null && Math.abs(factor / count(k) - 1) < 1e-9)) return ["scaled", { of, factor: "N" }];
    if (factors.every((factor, k) => factor !== null && Math.abs(factor * count(k) - 1) < 1e-9)) return ["scaled", { of, factor: "1/N" }];
    if (factors.every((factor) => factor !== null && Math.abs(factor / factors[0] - 1) < 1e-9)) return ["scaled", { of, factor: told(factors[0]) }];
    const other = PARTS.find((part) => part !== of && every((a, _, names) => same(a, names[`d${part}`])));
    if (other) return ["another", { of, other }];
    if (of in { W1: 0, W2: 0 }) {
      const parts = made.map((each, k) => ({ shape, data: each.data.map((x, m) => x - right[k].data[m]) }));
      const penalty = parts.map((each, k) => scale(each, { shape, data: at[k][of].data.map((w) => at[k].reg.data[0] * w) }));
      if (penalty.every((factor) => factor !== null && Math.abs(factor - penalty[0]) < 1e-9)) return [Math.abs(penalty[0] + 4) < 1e-9 ? "unpenalised" : "penalty", { of, factor: told(1 + penalty[0] / 4) }];
    }
    const largest = Math.max(...right[0].data.map(Math.abs));
    const off = made[0].data.map((x, k) => Math.abs(x - right[0].data[k]) > 1e-9 * largest);
    const first = off.indexOf(true), columns = shape.at(-1);
    const where = shape.length === 2 ? `${Math.floor(first / columns)}, ${first % columns}` : `${first}`;
    return ["entries", { right: off.filter((x) => !x).length, all: off.length, where, is: told(made[0].data[first]), wanted: told(right[0].data[first]) }];
  };

  const section = document.getElementById("exercise"), steps = all("form[data-derive]", section);
  const done = new Set();
  const unwritten = () => steps.map((form) => form.dataset.derive).filter((name) => !done.has(name));
  const says = Object.fromEntries(all("template[data-say]", section).map((each) => [each.dataset.say, each]));
  const say = (form, id, figures = {}) => {
    const status = form.querySelector("[role=status]"), text = says[id].content.cloneNode(true);
    for (const span of text.querySelectorAll("span, code")) {
      for (const node of span.childNodes) {
        if (node.nodeType === Node.TEXT_NODE) node.data = node.data.replace(/\{(\w+)\}/g, (_, key) => figures[key] ?? "");
      }
    }
    status.replaceChildren(text);
    form.classList.toggle("right", id === "right");
    form.classList.toggle("wrong", id !== "right");
  };
  for (const [k, form] of steps.entries()) {
    const { derive } = form.dataset, field = form.querySelector("input");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!field.value.trim()) return;
      const found = judge(derive, field.value, page.given());
      field.setAttribute("aria-invalid", found !== null);
      if (found) {
        done.delete(derive);
        say(form, ...found);
        return;
      }
      done.add(derive);
      say(form, "right");
      const following = steps[k + 1];
      if (following) {
        following.hidden = false;
        following.querySelector("input").focus();
      } else {
        const end = document.getElementById("derived");
        end.hidden = false;
        end.focus();
      }
    });
    for (const button of all("[data-hint]", form)) {
      button.addEventListener("click", () => {
        const hints = all("li", form), shown = hints.filter((hint) => !hint.hidden).length;
        if (hints[shown]) hints[shown].hidden = false;
        button.disabled = shown + 1 >= hints.length;
        if (button.disabled) field.focus();
      });
    }
    form.querySelector("[data-solve]").addEventListener("click", () => {
      field.value = form.dataset.answer;
      field.focus();
    });
    form.hidden = k > 0;
  }
  document.getElementById("derive").hidden = false;
}
