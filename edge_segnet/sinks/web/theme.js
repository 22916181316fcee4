// Before anything is painted: the theme that was chosen last, else the system's.
(() => {
  const system = matchMedia("(prefers-color-scheme: light)");
  const apply = () => {
    const chosen = localStorage.getItem("theme");
    document.documentElement.dataset.theme = chosen ?? (system.matches ? "light" : "dark");
    document.dispatchEvent(new Event("theme"));
  };
  system.addEventListener("change", apply);
  document.addEventListener("theme-toggle", () => {
    const light = document.documentElement.dataset.theme === "light";
    localStorage.setItem("theme", light ? "dark" : "light");
    apply();
  });
  apply();
})();
