// Break it: one mistake at a time.
{
  const { all } = page;
  const section = document.getElementById("break"), broken = document.getElementById("broken");
  const bench = section.querySelector(".outcome"), links = all("a[data-mistake]");
  const wide = matchMedia("(min-width: 60rem)");
  let at = 0;
  const choose = (id) => {
    const chosen = document.getElementById(`mistake-${id}`);
    at = links.findIndex((link) => link.dataset.mistake === id);
    for (const each of all("article.mistake")) each.hidden = each !== chosen;
    for (const [index, link] of links.entries()) {
      if (index === at) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const wrong = new Set(chosen.dataset.wrong.split(" "));
    const spoiled = new Set(chosen.dataset.spoiled.split(" "));
    for (const node of all(".node", broken)) {
      node.classList.toggle("wrong", wrong.has(node.dataset.q));
      node.classList.toggle("spoiled", spoiled.has(node.dataset.q) && !wrong.has(node.dataset.q));
    }
    document.getElementById("which-mistake").textContent = `${at + 1}/${links.length}`;
    document.getElementById("previous-mistake").disabled = at === 0;
    document.getElementById("next-mistake").disabled = at === links.length - 1;
    return chosen;
  };
  // What changes has to be in view: the head of the mistake, below whatever stays at the top.
  const bring = (chosen) => {
    const top = chosen.getBoundingClientRect().top;
    if (top < 60 || top > innerHeight * 0.4) bench.scrollIntoView({ behavior: "instant", block: "start" });
    if (wide.matches) links[at].scrollIntoView({ behavior: "instant", block: "nearest" });
  };
  for (const link of links) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const chosen = choose(link.dataset.mistake);
      bring(chosen);
      if (!wide.matches) chosen.focus({ preventScroll: true });
    });
  }
  const go = (way) => {
    const link = links[at + way];
    if (link) bring(choose(link.dataset.mistake));
  };
  document.getElementById("previous-mistake").addEventListener("click", () => go(-1));
  document.getElementById("next-mistake").addEventListener("click", () => go(1));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const box = section.getBoundingClientRect(), way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (way === undefined || box.top > innerHeight * 0.4 || box.bottom < innerHeight * 0.4) return;
    if (event.target.closest?.("input, select, pre")) return;
    event.preventDefault();
    go(way);
  });
  for (const each of all(".controls", section)) each.hidden = false;
  const linked = location.hash.startsWith("#mistake-") ? location.hash.slice("#mistake-".length) : "";
  const first = links.some((link) => link.dataset.mistake === linked) ? linked : "reg-halved";
  const chosen = choose(first);
  if (first === linked) bring(chosen);
}
