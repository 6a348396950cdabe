"use strict";
(() => {
  const table = document.getElementById("runs");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const words = rows.map((row) => row.textContent.toLowerCase());
  const filter = document.getElementById("filter");
  const status = document.getElementById("status");
  const count = document.getElementById("count");

  function show() {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, place) => {
      const fits =
        (!status.value || row.dataset.status === status.value) &&
        wanted.every((word) => words[place].includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    count.textContent = shown === rows.length ? `${shown} runs` : `${shown} of ${rows.length} runs`;
  }

  function valueOf(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.v === undefined ? cell.textContent : cell.dataset.v;
    const number = Number(text);
    return text.trim() === "" ? null : Number.isNaN(number) ? text : number;
  }

  // Numbers before words, what is missing last, whichever way.
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    if (typeof a === "number") return sign * (a - b);
    return sign * a.localeCompare(b, undefined, { numeric: true });
  }

  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descends = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descends ? "descending" : "ascending");
      const sign = descends ? -1 : 1;
      const keyed = rows.map((row) => ({ row, value: valueOf(row, column) }));
      keyed.sort((a, b) => compare(a.value, b.value, sign));
      body.append(...keyed.map((each) => each.row));
    });
  });
  filter.addEventListener("input", show);
  status.addEventListener("change", show);
  show();
})();
