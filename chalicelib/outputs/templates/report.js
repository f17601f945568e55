"use strict";
(() => {
  const table = document.getElementById("keys");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const control = (id) => document.getElementById(id);

  function filter() {
    const text = control("text").value.trim().toLowerCase();
    const wanted = ["advice", "verdict", "change"].filter((name) => control(name) && control(name).value);
    let shown = 0;
    for (const row of rows) {
      const matches =
        wanted.every((name) => row.dataset[name] === control(name).value) &&
        (!text || [...row.querySelectorAll(".name, code")].some((cell) => cell.textContent.toLowerCase().includes(text)));
      row.hidden = !matches;
      shown += matches;
    }
    control("shown").textContent = `${shown} of ${rows.length} keys`;
  }

  function sort(header) {
    const descending = header.getAttribute("aria-sort") === "ascending";
    const column = header.cellIndex;
    const number = header.classList.contains("number");
    const value = (row) => row.cells[column].title || row.cells[column].textContent;
    const compare = number
      ? (one, other) => value(one) - value(other)
      : (one, other) => (value(one) < value(other) ? -1 : value(one) > value(other) ? 1 : 0);
    rows.sort((one, other) => (descending ? compare(other, one) : compare(one, other)));
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...rows);
  }

  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(header));
    header.append(button);
  }
  const form = control("controls");
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
})();
