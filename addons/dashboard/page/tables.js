// A table as `usage` prints it: raw columns, and how they are shown. Text goes in as text, never as markup.
"use strict";
const tables = (() => {
  const WORDS = ["name", "text"];

  function element(kind, text, given) {
    const made = Object.assign(document.createElement(kind), given);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // The shown columns that have anything to show, each with the places of its raw ones.
  function columns(table) {
    const place = (name) => table.columns.indexOf(name);
    const any = (name) => table.rows.some((row) => row[place(name)]);
    return table.shown
      .filter((shown) => !shown.if_any || any(shown.if_any))
      .map((shown) => ({ ...shown, places: shown.of.map(place), wordy: WORDS.includes(shown.unit) }));
  }

  const cell = (column, row) => (words.FORMATS[column.unit] || words.text)(...column.places.map((place) => row[place]));

  // `pick(column, value)` gives what a click on a name does, or nothing where it does nothing.
  function rowOf(table, shown, row, pick) {
    const line = element("tr");
    shown.forEach((column, index) => {
      const text = cell(column, row);
      const made = element(index ? "td" : "th", undefined, { className: column.wordy ? "" : "amount" });
      if (!index) made.scope = "row";
      const act = column.unit === "name" && pick ? pick(table.columns[column.places[0]], row[column.places[0]]) : null;
      if (act) {
        const button = element("button", text, { type: "button", className: "pick", title: `Only ${text}` });
        button.addEventListener("click", act);
        made.append(button);
      } else {
        made.textContent = text;
      }
      line.append(made);
    });
    return line;
  }

  function made(table, { caption, none, pick } = {}) {
    if (!table.rows.length) return element("p", none || "nothing", { className: "none" });
    const shown = columns(table);
    const whole = element("table");
    if (caption) whole.append(element("caption", caption));
    const head = element("tr");
    for (const column of shown) {
      const title = element("th", column.title.toLowerCase(), { className: column.wordy ? "" : "amount" });
      title.scope = "col";
      head.append(title);
    }
    const top = element("thead");
    top.append(head);
    const body = element("tbody");
    const groups = table.others ? table.rows.length - 1 : table.rows.length;
    body.append(...table.rows.map((row, index) => rowOf(table, shown, row, index < groups && pick)));
    whole.append(top, body);
    if (table.total) whole.append(foot(table, shown));
    if (!table.more) return whole;
    const both = element("div");
    both.append(whole, element("p", `and ${words.number(table.more)} more`, { className: "none" }));
    return both;
  }

  function foot(table, shown) {
    const line = element("tr");
    shown.forEach((column, index) => {
      const text = index ? (column.wordy ? "" : cell(column, table.total)) : "total";
      const made = element(index ? "td" : "th", text, { className: column.wordy ? "" : "amount" });
      if (!index) made.scope = "row";
      line.append(made);
    });
    const bottom = element("tfoot");
    bottom.append(line);
    return bottom;
  }

  return { made, element };
})();
