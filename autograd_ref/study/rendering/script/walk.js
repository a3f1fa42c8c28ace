// The walk: the picture shows the step that is read, and the text follows the picture.
{
  const { all } = page;
  const walk = document.getElementById("walk"), steps = document.getElementById("steps");
  const rows = all("article.step");
  const [previous, play, next] = ["previous", "play", "next"].map((id) => document.getElementById(id));
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let at = -1, playing = null, moving = 0;
  const made = rows.map(() => new Set());
  for (const edge of all(".edge", walk)) made[edge.dataset.step].add(edge.dataset.end);

  const packet = (edge) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    shape.setAttribute("class", edge.classList.contains("adjoint") ? "packet adjoint" : "packet");
    shape.setAttribute("r", 5);
    shape.style.offsetPath = `path("${edge.getAttribute("d")}")`;
    edge.parentNode.querySelector(".packets").append(shape);
  };
  // Where the picture is wider than its place, it moves to the boxes of the step.
  const centre = () => {
    const room = walk.querySelector(".pictures");
    if (room.scrollWidth <= room.clientWidth + 1) return;
    const boxes = all(".node.now", room).map((node) => node.getBoundingClientRect()).filter((box) => box.width);
    const middle = boxes.length ? (Math.min(...boxes.map((box) => box.left)) + Math.max(...boxes.map((box) => box.right))) / 2 : 0;
    const left = boxes.length ? room.scrollLeft + middle - room.getBoundingClientRect().left - room.clientWidth / 2 : 0;
    room.scrollTo({ left, behavior: still.matches ? "instant" : "smooth" });
  };
  const draw = (step) => {
    if (step === at) return;
    at = step;
    walk.classList.toggle("walking", at >= 0);
    for (const each of all(".packet", walk)) each.remove();
    const done = new Set(made.slice(0, at + 1).flatMap((names) => [...names]));
    const now = at < 0 ? new Set() : made[at];
    for (const edge of all(".edge", walk)) {
      const own = Number(edge.dataset.step);
      edge.classList.toggle("now", own === at);
      edge.classList.toggle("done", own < at);
      if (own === at && !still.matches) packet(edge);
    }
    for (const node of all(".node", walk)) {
      node.classList.toggle("now", now.has(node.dataset.q));
      node.classList.toggle("done", done.has(node.dataset.q) || node.classList.contains("given") || (node.dataset.q === "dloss" && at >= 5));
    }
    for (const each of all("[data-at]", walk)) each.hidden = each.dataset.at !== (at < 0 ? "start" : String(at));
    for (const [index, row] of rows.entries()) row.classList.toggle("current", index === at);
    previous.disabled = at < 0;
    next.disabled = at === rows.length - 1;
    centre();
  };
  const go = (step) => {
    step = Math.max(-1, Math.min(rows.length - 1, step));
    // Until the page has arrived, what passes by on the way is not what is read.
    moving = performance.now() + (still.matches ? 150 : 1200);
    draw(step);
    (rows[step] ?? walk).scrollIntoView({ behavior: still.matches ? "instant" : "smooth", block: "start" });
  };
  addEventListener("scrollend", () => { moving = Math.min(moving, performance.now() + 50); });

  // The step that is read is the last whose head has passed the upper third of what is left below the picture.
  const inSteps = () => {
    const box = steps.getBoundingClientRect();
    return box.top < innerHeight * 0.6 && box.bottom > innerHeight * 0.4;
  };
  const follow = () => {
    if (performance.now() < moving || playing !== null) return;
    const margin = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) + parseFloat(getComputedStyle(rows[0]).scrollMarginTop);
    const line = margin + (innerHeight - margin) / 3;
    draw(rows.findLastIndex((row) => row.getBoundingClientRect().top <= line));
  };
  addEventListener("scroll", follow, { passive: true });
  addEventListener("resize", () => { follow(); centre(); });

  const stop = () => {
    clearInterval(playing);
    playing = null;
    walk.classList.remove("playing");
  };
  previous.addEventListener("click", () => { stop(); go(at - 1); });
  next.addEventListener("click", () => { stop(); go(at + 1); });
  play.addEventListener("click", () => {
    if (playing !== null) return stop();
    walk.classList.add("playing");
    go(at === rows.length - 1 ? 0 : at + 1);
    playing = setInterval(() => (at === rows.length - 1 ? stop() : go(at + 1)), 3000);
  });
  for (const node of all(".node", walk)) {
    node.addEventListener("click", (event) => {
      const row = rows.findIndex((each) => node.getAttribute("href") === `#${each.id}`);
      if (row < 0) return;
      event.preventDefault();
      stop();
      go(row);
    });
  }
  // The arrow keys belong to the part of the page that the reader is in; elsewhere they are the browser's.
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || !inSteps()) return;
    if (event.target.closest?.("input, select, pre, [role=grid]")) return;
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (way === undefined) return;
    event.preventDefault();
    stop();
    go(at + way);
  });
  for (const each of all("#walk .controls, .play-only")) each.hidden = false;
  at = NaN;
  draw(-1);
  follow();
}
