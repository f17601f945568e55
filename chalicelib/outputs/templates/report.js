"use strict";
(() => {
  const control = (id) => document.getElementById(id);

  // Sort by a column: of #keys each item is a body, with a row of cells and a row with the details.
  function makeSortable(table, items, rowOf) {
    function sort(header) {
      const descending = header.getAttribute("aria-sort") === "ascending";
      const column = header.cellIndex;
      const ranks = header.dataset.ranks?.split(" ");
      const number = ranks || header.matches(".number, [data-numeric]");
      const cell = (item) => rowOf(item).cells[column];
      const value = (item) =>
        ranks ? ranks.indexOf(item.dataset.severity) : cell(item).dataset.value || cell(item).title || cell(item).textContent;
      const compare = number
        ? (one, other) => parseInt(value(one)) - parseInt(value(other))
        : (one, other) => (value(one) < value(other) ? -1 : value(one) > value(other) ? 1 : 0);
      items.sort((one, other) => (descending ? compare(other, one) : compare(one, other)));
      for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      items[0].parentNode.append(...items);
    }

    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(header));
      header.append(button);
    }
  }

  function makeSearchable(table, keys) {
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
  }

  const accounts = control("accounts");
  if (accounts) makeSortable(accounts, [...accounts.tBodies[0].rows], (row) => row);
  const table = control("keys");
  if (!table) return;
  const keys = [...table.tBodies];
  makeSortable(table, keys, (key) => key.rows[0]);
  makeSearchable(table, keys);
})();
