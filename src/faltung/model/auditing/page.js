"use strict";
// Sorts and filters the rows, and shows one map at a time. Without it the page is whole, in the order of running.
(() => {
  const table = document.querySelector("#layers");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const search = document.querySelector("#search");
  const whole = document.querySelector("#whole");
  const count = document.querySelector("#count");

  const filter = () => {
    const wanted = search.value.toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const hidden = (!whole.checked && row.dataset.costs === "0") || !row.dataset.words.includes(wanted);
      row.hidden = hidden;
      shown += hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };

  const sort = (head, place) => {
    const falls = head.ariaSort === "descending" ? false : head.ariaSort === "ascending" ? true : head.dataset.number === "1";
    const key = (row) => (head.dataset.number === "1" ? Number(row.cells[place].dataset.v) : row.cells[place].textContent);
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)];
      const difference = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
      return (falls ? -difference : difference) || Number(a.dataset.order) - Number(b.dataset.order);
    };
    for (const other of table.tHead.rows[0].cells) {
      other.ariaSort = null;
    }
    head.ariaSort = falls ? "descending" : "ascending";
    body.append(...rows.sort(order));
  };

  Array.from(table.tHead.rows[0].cells).forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head, place));
    head.append(button);
  });
  const reveal = () => {
    const row = rows.find((entry) => `#${entry.id}` === location.hash);
    if (row && row.hidden) {
      search.value = "";
      whole.checked = true;
      filter();
      row.scrollIntoView();
    }
  };
  search.addEventListener("input", filter);
  whole.addEventListener("change", filter);
  window.addEventListener("hashchange", reveal);
  for (const choice of document.querySelectorAll("input[name=map]")) {
    choice.addEventListener("change", () => {
      for (const map of document.querySelectorAll(".maps > div")) {
        map.hidden = map.id !== `map-${choice.value}`;
      }
    });
  }
  document.querySelector("#tools").hidden = false;
  filter();
  reveal();
})();
