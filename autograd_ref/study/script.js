"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // The language: by the address, by the switch, and back into the address.
  const radios = all('input[name="language"]');
  const speak = (language) => {
    root.lang = language === "zh" ? "zh-Hans" : "en";
    document.title = document.querySelector(`h1 .${language}`).textContent + " · handgrad";
  };
  const asked = new URLSearchParams(location.search).get("lang");
  for (const radio of radios) {
    if (asked !== null) radio.checked = radio.value === (asked.startsWith("zh") ? "zh" : "en");
    radio.addEventListener("change", () => {
      speak(radio.value);
      const address = new URL(location.href);
      address.searchParams.set("lang", radio.value);
      // A page opened as a file may not be allowed to change its address.
      try { history.replaceState(null, "", address); } catch { /* it works without */ }
    });
  }
  speak(radios.find((radio) => radio.checked).value);

  // A quantity that is pointed at or focused is lit wherever it stands.
  const places = new Map();
  for (const place of all("[data-q]")) {
    const name = place.dataset.q;
    places.set(name, [...(places.get(name) || []), place]);
  }
  let lit = null;
  const light = (event) => {
    const place = event.target.closest?.("[data-q]");
    const name = place ? place.dataset.q : null;
    if (name === lit) return;
    for (const each of places.get(lit) || []) each.classList.remove("lit");
    for (const each of places.get(name) || []) each.classList.add("lit");
    lit = name;
  };
  document.addEventListener("pointerover", light);
  document.addEventListener("focusin", light);

  // The walk.
  const walk = document.getElementById("walk");
  const rows = all("article.step");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let at = -1;
  let playing = null;
  const made = rows.map((row) => new Set());
  for (const edge of all(".edge", walk)) made[edge.dataset.step].add(edge.dataset.end);
  const packet = (edge) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "g");
    const adjoint = edge.classList.contains("adjoint");
    shape.setAttribute("class", adjoint ? "packet adjoint" : "packet");
    shape.innerHTML = adjoint
      ? '<circle r="5"/>'
      : '<rect x="-6" y="-6" width="12" height="5" rx="1"/><rect x="-6" y="1" width="12" height="5" rx="1"/>';
    shape.style.offsetPath = `path("${edge.getAttribute("d")}")`;
    edge.parentNode.querySelector(".packets").append(shape);
  };
  const go = (step, follow = true) => {
    at = Math.max(-1, Math.min(rows.length - 1, step));
    walk.classList.toggle("walking", at >= 0);
    for (const each of all(".packet", walk)) each.remove();
    const done = new Set(made.slice(0, at + 1).flatMap((names) => [...names]));
    const now = at < 0 ? new Set() : made[at];
    for (const edge of all(".edge", walk)) {
      const step = Number(edge.dataset.step);
      edge.classList.toggle("now", step === at);
      edge.classList.toggle("done", step < at);
      if (step === at && !still.matches) packet(edge);
    }
    for (const node of all(".node", walk)) {
      node.classList.toggle("now", now.has(node.dataset.q));
      node.classList.toggle("done", done.has(node.dataset.q) || node.classList.contains("given"));
    }
    for (const each of all("[data-at]", walk)) each.hidden = each.dataset.at !== (at < 0 ? "start" : String(at));
    for (const [index, row] of rows.entries()) row.classList.toggle("current", index === at);
    if (at >= 0 && follow) {
      rows[at].scrollIntoView({ behavior: still.matches ? "auto" : "smooth", block: "start" });
    }
    document.getElementById("previous").disabled = at < 0;
    document.getElementById("next").disabled = at === rows.length - 1;
  };
  const stop = () => {
    clearInterval(playing);
    playing = null;
    walk.classList.remove("playing");
  };
  document.getElementById("previous").addEventListener("click", () => { stop(); go(at - 1); });
  document.getElementById("next").addEventListener("click", () => { stop(); go(at + 1); });
  document.getElementById("play").addEventListener("click", () => {
    if (playing !== null) return stop();
    if (at === rows.length - 1) at = -1;
    walk.classList.add("playing");
    go(at + 1, false);
    playing = setInterval(() => (at === rows.length - 1 ? stop() : go(at + 1, false)), 2200);
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest?.("input, pre, [contenteditable]")) return;
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (way === undefined) return;
    event.preventDefault();
    stop();
    go(at + way);
  });
  for (const each of all(".controls, .play-only")) each.hidden = false;
  go(-1);

  // Break it: one mistake at a time.
  const links = all("a[data-mistake]");
  const broken = document.getElementById("broken");
  const choose = (id) => {
    const chosen = document.getElementById(`mistake-${id}`);
    for (const each of all("article.mistake")) each.hidden = each !== chosen;
    for (const link of links) {
      if (link.dataset.mistake === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const wrong = new Set(chosen.dataset.wrong.split(" "));
    const spoiled = new Set(chosen.dataset.spoiled.split(" "));
    for (const node of all(".node", broken)) {
      node.classList.toggle("wrong", wrong.has(node.dataset.q));
      node.classList.toggle("spoiled", spoiled.has(node.dataset.q) && !wrong.has(node.dataset.q));
    }
    return chosen;
  };
  for (const link of links) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      choose(link.dataset.mistake).focus({ preventScroll: matchMedia("(min-width: 60rem)").matches });
    });
  }
  const linked = location.hash.startsWith("#mistake-") ? location.hash.slice("#mistake-".length) : "";
  const first = links.some((link) => link.dataset.mistake === linked) ? linked : "reg-halved";
  choose(first);
  if (first === linked) document.getElementById(`mistake-${first}`).scrollIntoView();
})();
