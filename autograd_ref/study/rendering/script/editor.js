// The reader's own numbers: typed in, kept in the address, and taken from it.
{
  const { all, show } = page;
  const read = (text) => {
    const found = JSON.parse(text);
    const rows = (x) => (Array.isArray(x) ? (Array.isArray(x[0]) ? x : [x]) : [[x]]);
    return { ...Object.fromEntries(network.GIVEN.map((name) => [name, rows(found[name])])), activation: found.activation };
  };
  const example = read(document.getElementById("example").textContent);
  const editor = document.getElementById("editor"), root = document.documentElement;
  const [edit, reset, share] = ["edit", "reset", "share"].map((id) => document.getElementById(id));
  const says = document.getElementById("editor-says");
  const say = (what, which = "") => {
    for (const each of all("[data-says]", says)) each.hidden = each.dataset.says !== what;
    says.querySelector(".which").textContent = which;
  };
  const LARGEST = 1e6, CLASSES = example.W2[0].length;

  // What may be entered: labels are classes, the penalty's strength is not negative, all else is a number.
  const number = (name, text) => {
    const typed = text.trim().replace("−", "-"), x = Number(typed);
    if (typed === "" || !Number.isFinite(x) || Math.abs(x) > LARGEST) return null;
    if (name === "y" && !(Number.isInteger(x) && x >= 0 && x < CLASSES)) return null;
    return name === "reg" && x < 0 ? null : x;
  };
  const copy = (given) => structuredClone(given);
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const text = (value) => value.map((row) => row.join(",")).join(";");

  const fromAddress = () => {
    const asked = new URLSearchParams(location.search), given = copy(example);
    let readable = true;
    for (const name of network.GIVEN) {
      if (!asked.has(name)) continue;
      const rows = asked.get(name).split(";").map((row) => row.split(",").map((x) => number(name, x)));
      const fits = rows.length === given[name].length && rows.every((row) => row.length === given[name][0].length && !row.includes(null));
      if (fits) given[name] = rows;
      else readable = false;
    }
    const activation = asked.get("activation");
    if (activation !== null && Object.hasOwn(network.activations, activation)) given.activation = activation;
    else if (activation !== null) readable = false;
    if (!readable) say("address");
    return readable ? given : copy(example);
  };
  const intoAddress = () => {
    const address = new URL(location.href);
    for (const name of network.GIVEN) {
      if (same(given[name], example[name])) address.searchParams.delete(name);
      else address.searchParams.set(name, text(given[name]));
    }
    if (given.activation === example.activation) address.searchParams.delete("activation");
    else address.searchParams.set("activation", given.activation);
    try { history.replaceState(null, "", address); } catch { /* the link to copy has them all the same */ }
    return address.href;
  };

  let given = fromAddress();
  const tables = all("dl.given table.m[data-key]");
  const choice = document.createElement("select");
  for (const name of Object.keys(network.activations)) choice.add(new Option(name, name));
  choice.setAttribute("aria-label", "activation");
  const plain = document.createElement("code");
  document.getElementById("activation-place").replaceChildren(plain);
  const update = () => {
    const edited = !same(given, example);
    show(given, edited);
    plain.textContent = choice.value = given.activation;
    reset.disabled = !edited;
    for (const each of all(".edited")) each.hidden = !edited;
    return intoAddress();
  };
  const fields = (on) => {
    root.classList.toggle("editing", on);
    document.getElementById("activation-place").replaceChildren(on ? choice : plain);
    for (const table of tables) {
      const name = table.dataset.name;
      for (const cell of all("td", table)) {
        const [i, j] = [cell.parentNode.rowIndex, cell.cellIndex];
        if (!on) { cell.replaceChildren(); continue; }
        const field = document.createElement("input");
        field.value = explain.write(given[name][i][j], 6).replace("−", "-");
        field.inputMode = "text";
        field.size = 5;
        field.setAttribute("aria-label", `${name}[${i}, ${j}]`);
        field.addEventListener("input", () => {
          const x = number(name, field.value);
          field.setAttribute("aria-invalid", x === null);
          if (x === null) return say("wrong", `${name}[${i}, ${j}]`);
          given[name][i][j] = x;
          update();
          say(same(given, example) ? null : "yours");
        });
        cell.replaceChildren(field);
      }
    }
    update();
  };
  choice.addEventListener("change", () => { given.activation = choice.value; update(); say(same(given, example) ? null : "yours"); });
  edit.addEventListener("click", () => fields(!root.classList.contains("editing")));
  reset.addEventListener("click", () => {
    given = copy(example);
    fields(root.classList.contains("editing"));
    say(null);
    edit.focus();
  });
  share.addEventListener("click", async () => {
    const address = intoAddress();
    try { await navigator.clipboard.writeText(address); say("copied"); } catch { prompt("", address); }
  });
  editor.hidden = false;
  update();
  if (!same(given, example)) say("yours");
}
