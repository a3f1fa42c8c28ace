// The language: by the address, by the last choice, or by the browser; the switch changes it and keeps it.
{
  const radios = [...document.querySelectorAll('input[name="language"]')];
  const kept = (value) => {
    // A page opened as a file may have no storage, and may not be allowed to change its address.
    try {
      if (value !== undefined) localStorage.setItem("handgrad-language", value);
      return localStorage.getItem("handgrad-language");
    } catch { return null; }
  };
  const speak = (language) => {
    document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
    document.title = document.querySelector(`h1 .${language}`).textContent + " · handgrad";
  };
  const asked = new URLSearchParams(location.search).get("lang") ?? kept() ?? navigator.language ?? "en";
  for (const radio of radios) {
    radio.checked = radio.value === (asked.toLowerCase().startsWith("zh") ? "zh" : "en");
    radio.addEventListener("change", () => {
      // What the reader is looking at stays where it is, however long the other language is.
      const here = [...document.querySelectorAll("main :is(h2, h3, h4, p, tr)")].find((each) => each.getBoundingClientRect().bottom > 90 && !each.closest(".en, .zh"));
      const top = here?.getBoundingClientRect().top;
      speak(radio.value);
      kept(radio.value);
      const address = new URL(location.href);
      address.searchParams.set("lang", radio.value);
      try { history.replaceState(null, "", address); } catch { /* it works without */ }
      if (here) scrollBy({ top: here.getBoundingClientRect().top - top, behavior: "instant" });
    });
  }
  speak(radios.find((radio) => radio.checked).value);
}
