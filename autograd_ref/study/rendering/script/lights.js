// A quantity that is pointed at or focused is lit wherever it is named. The menu closes when it was used.
{
  const places = new Map();
  for (const place of document.querySelectorAll("[data-q]")) {
    places.set(place.dataset.q, [...(places.get(place.dataset.q) || []), place]);
  }
  let lit = null;
  const light = (event) => {
    const name = event.target.closest?.("[data-q]")?.dataset.q ?? null;
    if (name === lit) return;
    for (const each of places.get(lit) || []) each.classList.remove("lit");
    for (const each of places.get(name) || []) each.classList.add("lit");
    lit = name;
  };
  document.addEventListener("pointerover", light);
  document.addEventListener("focusin", light);

  const menu = document.getElementById("menu");
  document.addEventListener("click", (event) => {
    if (event.target.closest("#menu a") || !event.target.closest("#menu")) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) { menu.open = false; menu.querySelector("summary").focus(); }
  });

  // Whatever is wider than its place scrolls there, and can be reached by the keyboard.
  // To measure what is folded away, or after a change, has the page laid out again: all is measured first.
  const reach = (elements, wide) => {
    for (const [index, each] of elements.entries()) {
      if (wide[index]) each.tabIndex = 0;
      else each.removeAttribute("tabindex");
    }
  };
  const fit = () => {
    const shown = (selector) => [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility());
    const boxes = shown(".display, pre, .wide, .pictures"), wholes = shown(".whole");
    const overflowing = boxes.map((each) => each.scrollWidth > each.clientWidth + 1);
    for (const each of wholes) each.classList.remove("scrolls");
    const wider = wholes.map((each) => {
      const room = each.closest("p, div, figcaption")?.clientWidth ?? innerWidth;
      return each.getBoundingClientRect().width > room + 0.5;
    });
    for (const [index, each] of wholes.entries()) each.classList.toggle("scrolls", wider[index]);
    reach(boxes, overflowing);
    reach(wholes, wider);
  };
  fit();
  addEventListener("resize", fit);
  document.addEventListener("toggle", fit, true);
  for (const radio of document.querySelectorAll('input[name="language"]')) radio.addEventListener("change", fit);
}
