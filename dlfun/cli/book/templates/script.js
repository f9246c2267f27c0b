"use strict";
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    let copied = true;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // Some browsers have no clipboard for files of the disk: select the line, and copy that.
      const range = document.createRange();
      range.selectNodeContents(button.parentElement.querySelector("code"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      copied = document.execCommand("copy");
    }
    // What a browser does not let copy is selected.
    const status = button.parentElement.querySelector("[role=status]");
    status.textContent = copied ? "Copied" : "Selected";
    setTimeout(() => { status.textContent = ""; }, 1500);
  });
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => row.cells[column].dataset.sort;
  const compare = (a, b) => {
    if (a === "" || b === "") return a === b ? 0 : a === "" ? Infinity : -Infinity;
    const words = [a, b].map((text) => Number.isNaN(Number(text)));
    if (words[0] !== words[1]) return words[0] ? 1 : -1; // Numbers come before words.
    return words[0] ? a.localeCompare(b) : Number(a) - Number(b);
  };
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const order = compare(key(a, column), key(b, column));
      return Math.abs(order) === Infinity || !down ? order : -order; // Empty cells stay last.
    });
    body.append(...rows);
  }));
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
