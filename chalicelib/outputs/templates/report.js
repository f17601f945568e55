"use strict";
(() => {
  const table = document.getElementById("keys");
  if (!table) return;
  const keys = [...table.tBodies]; // each has a row of cells and a row with the details
  const control = (id) => document.getElementById(id);

  function filter() {
    const text = control("text").value.trim().toLowerCase();
    const wanted = ["severity", "advice", "verdict", "change"].filter((name) => control(name) && control(name).value);
    let shown = 0;
    for (const key of keys) {
      const matches =
        wanted.every((name) => key.dataset[name] === control(name).value) &&
        (!text || key.textContent.toLowerCase().includes(text));
      key.hidden = !matches;
      shown += matches;
    }
    control("shown").textContent = `${shown} of ${keys.length} keys`;
  }

  function sort(header) {
    const descending = header.getAttribute("aria-sort") === "ascending";
    const column = header.cellIndex;
    const ranks = header.dataset.ranks?.split(" ");
    const number = ranks || header.classList.contains("number");
    const cell = (key) => key.rows[0].cells[column];
    const value = (key) => (ranks ? ranks.indexOf(key.dataset.severity) : cell(key).title || cell(key).textContent);
    const compare = number
      ? (one, other) => value(one) - value(other)
      : (one, other) => (value(one) < value(other) ? -1 : value(one) > value(other) ? 1 : 0);
    keys.sort((one, other) => (descending ? compare(other, one) : compare(one, other)));
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    table.append(...keys);
  }

  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(header));
    header.append(button);
  }
  const unfold = control("unfold");
  let unfolded = false;
  unfold.addEventListener("click", () => {
    unfolded = !unfolded;
    for (const details of table.querySelectorAll("details")) details.open = unfolded;
    unfold.textContent = unfolded ? "Close all details" : "Open all details";
  });
  const form = control("controls");
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
})();
