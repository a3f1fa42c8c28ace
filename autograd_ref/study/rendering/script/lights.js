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
  const fit = () => {
    for (const each of document.querySelectorAll(".display, pre, .wide, .pictures")) {
      if (each.scrollWidth > each.clientWidth + 1) each.tabIndex = 0;
      else each.removeAttribute("tabindex");
    }
    for (const each of document.querySelectorAll(".whole")) {
      each.classList.remove("scrolls");
      const room = each.closest("p, div, figcaption")?.clientWidth ?? innerWidth;
      if (each.getBoundingClientRect().width > room + 0.5) { each.classList.add("scrolls"); each.tabIndex = 0; }
      else each.removeAttribute("tabindex");
    }
  };
  fit();
  addEventListener("resize", fit);
  document.addEventListener("toggle", fit, true);
  for (const radio of document.querySelectorAll('input[name="language"]')) radio.addEventListener("change", fit);
}
