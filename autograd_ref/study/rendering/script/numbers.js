// The numbers on the page: filled in anew when the reader's change, and each with its sum when it is asked for.
const page = (() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const { write } = explain;
  const short = (x) => write(x, Math.abs(x) < 10 ? 2 : Math.abs(x) < 100 ? 1 : 0);
  const places = all("[data-key]");
  const rowsOf = (place) => (place.matches("td") ? [[place]] : [...place.rows].map((row) => all("td", row)));
  let given = null, values = null, chosen = null;

  const pad = (columns) => {
    for (const column of columns) {
      const tails = column.map((cell) => /\..*/.exec(cell.textContent)?.[0] ?? "");
      const longest = Math.max(...tails.map((tail) => tail.length));
      for (const [i, cell] of column.entries()) cell.dataset.pad = longest ? (tails[i] ? "" : ".") + "0".repeat(longest - Math.max(tails[i].length, 1)) : "";
    }
  };
  const fill = (cells, value) => {
    for (const [i, row] of cells.entries()) {
      for (const [j, cell] of row.entries()) if (!cell.querySelector("input")) cell.textContent = write(value[i][j]);
    }
    if (cells[0].length && cells[0][0].dataset.pad !== undefined) pad(cells[0].map((_, j) => cells.map((row) => row[j])));
  };
  const matrix = (value) => {
    const table = document.createElement("table");
    table.className = "m";
    for (const row of value) {
      const line = table.insertRow();
      for (const _ of row) line.insertCell().dataset.pad = "";
    }
    fill(rowsOf(table), value);
    return table;
  };

  const show = (now, edited) => {
    given = now;
    values = network.numbers(given);
    for (const place of places) {
      const value = values[place.dataset.key];
      if (place.localName === "g") all(".entry", place).forEach((text, k) => { text.textContent = short(value.flat()[k]); });
      else fill(rowsOf(place), value);
    }
    document.documentElement.classList.toggle("yours", edited);
    for (const each of all("[data-activation]")) each.hidden = !each.dataset.activation.split(" ").includes(given.activation);
    if (edited) {
      for (const place of all("[data-difference]")) {
        const [step, name] = place.dataset.difference.split("/");
        const adjoint = name.startsWith("d") && name !== "data_loss";
        place.replaceChildren(adjoint ? matrix(network.differences(given, step, name)) : "–");
      }
    }
    if (chosen) choose(chosen);
  };

  // A click on an entry, or the arrow keys within a matrix, show how the entry comes about.
  const cellAt = (key, i, j) => [
    ...all(`table.m[data-key="${key}"]`).map((table) => table.rows[i]?.cells[j]),
    ...all(`g[data-key="last/${key.slice(key.indexOf("/") + 1)}"]`).map((group) => all(".entry", group)[i * values[key][0].length + j]),
  ];
  const choose = (cell) => {
    const table = cell.closest("table.m"), article = cell.closest("article");
    const [i, j] = [cell.parentNode.rowIndex, cell.cellIndex];
    const found = explain.of(table.dataset.key, values, i, j, given.activation);
    for (const each of all(".used, .chosen")) each.classList.remove("used", "chosen");
    for (const each of all(".sum")) each.hidden = true;
    chosen = cell;
    cell.classList.add("chosen");
    for (const used of found.uses) for (const place of cellAt(...used)) place?.classList.add("used");
    const sum = article.querySelector(".sum");
    sum.hidden = false;
    sum.replaceChildren();
    for (const [text, css] of [[`${found.entry} = `, "entry"], [`${found.right} `, ""], [`= ${found.value}`, "value"]]) {
      const part = document.createElement("span");
      part.className = css;
      part.textContent = text;
      sum.append(part);
    }
  };
  for (const table of all("article table.m[data-key]")) {
    if (!explain.keys.includes(table.dataset.key) || !table.closest("article").querySelector(".sum")) continue;
    const cells = all("td", table);
    table.setAttribute("role", "grid");
    table.setAttribute("aria-label", table.dataset.name);
    table.classList.add("asked");
    cells.forEach((cell, k) => { cell.tabIndex = k ? -1 : 0; });
    const focus = (cell) => {
      for (const each of cells) each.tabIndex = each === cell ? 0 : -1;
      cell.focus({ preventScroll: true });
      choose(cell);
    };
    table.addEventListener("click", (event) => event.target.closest("td") && focus(event.target.closest("td")));
    table.addEventListener("keydown", (event) => {
      const cell = event.target.closest("td");
      const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [0, 0], " ": [0, 0] }[event.key];
      if (!way) return;
      event.preventDefault();
      event.stopPropagation();
      focus(table.rows[cell.parentNode.rowIndex + way[0]]?.cells[cell.cellIndex + way[1]] ?? cell);
    });
  }
  return { all, show, matrix, given: () => given };
})();
