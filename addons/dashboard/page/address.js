// What is asked for stands in the address, so that it survives a reload and can be sent to somebody.
"use strict";
const address = (() => {
  const FILTERS = [
    "period", "since", "until", "tz", "profile", "rule", "provider", "model", "agent", "project", "session", "origin",
  ];
  const VIEW = { measure: "cost", stack: "rule", tab: "rule" };

  let params = new URLSearchParams(location.search);
  addEventListener("popstate", () => { params = new URLSearchParams(location.search); });

  // The part that the ledger is asked for.
  function question() {
    const asked = new URLSearchParams();
    for (const [name, value] of params) if (FILTERS.includes(name) && value) asked.append(name, value);
    return asked.toString();
  }

  // The first value of a filter, '' where there is none; and all of them.
  const filter = (name) => params.get(name) || "";
  const filters = (name) => params.getAll(name).filter(Boolean);
  const view = (name) => params.get(name) || VIEW[name];

  // Several at once, each with one value or a list; what is empty or as it is by itself does not stand there.
  function set(given) {
    for (const [name, values] of Object.entries(given)) {
      params.delete(name);
      for (const value of [values].flat()) if (value && value !== VIEW[name]) params.append(name, value);
    }
    const text = params.toString();
    try {
      history.pushState(null, "", location.pathname + (text ? `?${text}` : ""));
    } catch {
      // A page from a disk may not change its address.
    }
  }

  const clear = () => set(Object.fromEntries(FILTERS.map((name) => [name, ""])));

  return { FILTERS, question, filter, filters, view, set, clear };
})();
