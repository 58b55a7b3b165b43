// The page: reads the numbers (from the server, or from itself), shows them, and keeps what is asked in the address.
"use strict";
(() => {
  const { element } = tables;
  const find = (id) => document.getElementById(id);
  const TABS = ["rule", "model", "provider", "agent", "project", "session"];
  const PICKED = ["rule", "model", "provider", "agent", "project", "session", "profile"];
  const REFRESH_MS = 30000;
  const LOOK_MS = 3000;
  const embedded = find("data").textContent.trim();
  let numbers = null;
  let asking = 0;

  // --- what is shown

  const TILES = { cost: "spend", requests: "requests", tokens: "tokens in / out", cache: "input from cache", latency: "first byte, median", errors: "errors", switches: "of it switches" };

  function makeTiles() {
    find("totals").replaceChildren(...Object.entries(TILES).map(([name, title]) => {
      const made = element("div", undefined, { id: `total-${name}` });
      made.append(element("dt", title), element("dd", "…"));
      return made;
    }));
  }

  function tile(name, value, small = "") {
    const definition = find(`total-${name}`).lastElementChild;
    definition.replaceChildren(value, element("small", small));
  }

  function showTotals(total) {
    const some = (count, rest) => count ? `${words.number(count)} ${rest}` : "";
    tile("cost", words.cost(total.cost_usd, total.known_cost_usd, total.unpriced_requests, total.estimated_requests),
      some(total.unpriced_requests, "without a known price"));
    tile("requests", words.number(total.requests));
    tile("tokens", words.tokens(total.input_tokens, total.output_tokens, total.estimated_requests),
      some(total.estimated_requests, "estimated"));
    tile("errors", words.number(total.failed_requests),
      total.failed_requests ? words.percent(total.failed_requests / total.requests) : "");
    tile("switches", words.cost(total.switch_cost_usd, total.known_switch_cost_usd, total.unpriced_switches, total.estimated_requests),
      some(total.switches, "switches"));
    find("total-switches").hidden = !total.switches;
  }

  function showChart() {
    if (numbers) chart.draw(numbers.time, address.view("stack"), address.view("measure"));
  }

  function showTab() {
    const name = TABS.includes(address.view("tab")) ? address.view("tab") : TABS[0];
    for (const tab of find("tabs").children) {
      const chosen = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    find("panel").setAttribute("aria-label", `by ${name}`);
    if (numbers) find("panel").replaceChildren(tables.made(numbers.tables[name], { none: "no requests", pick }));
  }

  function showAnalyses(found) {
    find("analyses").replaceChildren(...found.analyses.map((one) => {
      const section = element("section");
      const title = element("h2", one.title, { id: `analysis-${one.name}` });
      section.setAttribute("aria-labelledby", title.id);
      const wide = element("div", undefined, { className: "wide", tabIndex: 0 });
      wide.append(tables.made(one.table, { none: one.nothing, pick }));
      section.append(title, wide);
      return section;
    }));
    const total = (name) => {
      const { table } = found.analyses.find((one) => one.name === name);
      return (column) => table.total ? table.total[table.columns.indexOf(column)] : null;
    };
    const [cache, latency] = [total("cache"), total("latency")];
    const part = words.FORMATS.part(cache("hit_share"));
    const saved = ["saved_usd", "known_saved_usd", "unpriced_requests", "estimated_requests"].map(cache);
    tile("cache", part, cache("requests") ? `saved ${words.cost(...saved)}` : "");
    tile("latency", words.FORMATS.ms(latency("first_byte_ms_p50")), `p95 ${words.FORMATS.ms(latency("first_byte_ms_p95"))}`);
  }

  function showFilters() {
    for (const name of ["period", "since", "until"]) find("filters").elements[name].value = address.filter(name);
    choices.show(address.filters, numbers && numbers.choices);
    for (const field of document.querySelectorAll("input[type=radio]")) {
      field.checked = field.value === address.view(field.name);
    }
    const more = ["project", "session", "origin", "tz"].filter(address.filter)
      .map((name) => `${name} ${address.filters(name).map(words.name).join(" or ")}`);
    document.title = ["ringlet-mitm", ...address.FILTERS.flatMap(address.filters)].map(words.text).join(" · ");
    if (numbers) find("what").textContent = [`usage, ${numbers.words}`, ...more].join(", ");
  }

  function show() {
    showTotals(numbers.total);
    showFilters();
    showChart();
    showTab();
    find("foot").textContent = `as of ${words.moment(numbers.made_us)}; costs are what each request was priced at when it was made; ≥ lacks requests without a known price, ~ has estimated tokens`;
  }

  function showLive(found) {
    find("proxies").replaceChildren(tables.made(found.proxies, { none: "no proxy is running", pick }));
    const none = found.proxies.rows.length ? "no requests under way" : "";
    find("streams").replaceChildren(tables.made(found.streams, { none, pick }));
  }

  function complain(text) {
    find("problem").textContent = text;
    find("problem").hidden = !text;
  }

  // --- what is done

  function pick(name, value) {
    if (embedded || !value || !PICKED.includes(name)) return null;
    return () => change({ [name]: value });
  }

  function change(values) {
    address.set(values);
    ask();
  }

  // One after the other: the ledger is asked by one process.
  async function ask() {
    if (embedded) return;
    const number = ++asking;
    showFilters();
    document.body.classList.add("busy");
    try {
      for (const [name, then] of Object.entries({ usage: taken, analyses: showAnalyses })) {
        const answer = await fetch(`/api/${name}?${address.question()}`, { cache: "no-store" });
        const found = await answer.json();
        // Somebody who went on meanwhile has asked for something else.
        if (number !== asking) return;
        complain(found.problem || "");
        if (!answer.ok) break;
        then(found);
        document.body.classList.remove("busy");
      }
    } catch (error) {
      if (number === asking) complain(`No answer from ${location.host}: is it still running? (${error.message})`);
    } finally {
      if (number === asking) document.body.classList.remove("busy");
    }
  }

  // Whether somebody looks, and is not just on something by keys that would be made anew under them.
  const free = (where) => document.visibilityState === "visible" && !document.activeElement?.closest(where);

  // What runs now is no part of what is asked; where it cannot be had, that is said when the numbers are next asked for.
  async function look() {
    if (!free("#live")) return;
    const answer = await fetch("/api/live", { cache: "no-store" }).catch(() => null);
    if (answer?.ok) showLive(await answer.json());
  }

  function taken(found) {
    numbers = found;
    show();
  }

  function filtered(event) {
    const { name, value, type } = event.target;
    if (!name) return;
    if (type === "checkbox") {
      change({ [name]: choices.chosen(name) });
      return;
    }
    const instead = name === "period" ? { since: "", until: "" } : ["since", "until"].includes(name) ? { period: "" } : {};
    change({ ...instead, [name]: value });
  }

  function viewed(event) {
    if (event.target.type !== "radio") return;
    address.set({ [event.target.name]: event.target.value });
    showChart();
  }

  function tabbed(name) {
    address.set({ tab: name });
    showTab();
  }

  function makeTabs() {
    find("tabs").append(...TABS.map((name) => {
      const tab = element("button", name, { type: "button", id: `tab-${name}` });
      tab.dataset.tab = name;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", "panel");
      tab.addEventListener("click", () => tabbed(name));
      return tab;
    }));
    find("tabs").addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const name = TABS[(TABS.indexOf(event.target.dataset.tab) + step + TABS.length) % TABS.length];
      tabbed(name);
      find(`tab-${name}`).focus();
    });
  }

  // --- colours: as the system has them, or as somebody chose

  const THEMES = { system: "◐", light: "○", dark: "●" };

  function kept() {
    try {
      return localStorage.getItem("theme") || "system";
    } catch {
      return "system";
    }
  }

  function paint(theme) {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    find("theme").textContent = `${THEMES[theme]} ${theme}`;
    find("theme").setAttribute("aria-label", `Colours: ${theme === "system" ? "as the system has them" : theme}`);
    showChart();
  }

  function repaint() {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(document.documentElement.dataset.theme || "system") + 1) % names.length];
    try {
      localStorage.setItem("theme", next);
    } catch {
      // A page from a disk may keep nothing.
    }
    paint(next);
  }

  // --- begin

  makeTiles();
  makeTabs();
  paint(kept());
  find("theme").addEventListener("click", repaint);
  find("main").addEventListener("change", viewed);
  find("filters").addEventListener("change", filtered);
  choices.watch(find("filters"), (name, values) => change({ [name]: values }));
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("filters").addEventListener("reset", (event) => {
    event.preventDefault();
    address.clear();
    ask();
  });
  find("chart").addEventListener("keydown", chart.move);
  addEventListener("resize", chart.fit);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showChart);
  if (embedded) {
    numbers = JSON.parse(embedded);
    find("filters").hidden = true;
    find("live").hidden = true;
    show();
    showAnalyses(numbers);
  } else {
    addEventListener("popstate", ask);
    setInterval(() => free("table, #chart") && ask(), REFRESH_MS);
    setInterval(look, LOOK_MS);
    ask();
    look();
  }
})();
