// Light or dark, as the reader chose or else as the system is, for the style to go by. Runs before the first paint, and is a file of its own
// because the page allows no inline script.
{
  const { dataset } = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // A browser that keeps nothing.
  }
  const dress = () => (dataset.theme = ["light", "dark"].includes(chosen) ? chosen : system.matches ? "dark" : "light");
  dress();
  system.onchange = dress;
  addEventListener("click", ({ target }) => {
    if (!target.closest("#theme")) return;
    chosen = dataset.theme === "dark" ? "light" : "dark";
    dress();
    try {
      localStorage.setItem("theme", chosen);
    } catch {
      // Then it holds for this visit.
    }
  });
}
