// Bars over time, one upon the other, drawn by uPlot; what they stand for is a list below, for eyes, keys and readers.
"use strict";
const chart = (() => {
  const HEIGHT = 280;
  const MEASURES = {
    cost: { title: "spend", of: (part, at) => Number(part.cost[at]), axis: (value) => dollars(value) },
    tokens: { title: "tokens", of: (part, at) => part.input[at] + part.output[at], axis: words.compact },
    requests: { title: "requests", of: (part, at) => part.requests[at], axis: words.compact },
  };
  let plot = null;
  let shownAt = null;

  const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);
  const colour = (index) => getComputedStyle(document.documentElement).getPropertyValue(`--c${index % 9}`).trim();
  // Times are those of the ledger's reader; UTC here only keeps the browser from moving them.
  const seconds = (text) => Date.parse(`${text}Z`) / 1000;

  // Of one part at one time, or of all times where `at` is null.
  function inWords(part, measure, at) {
    const of = (list) => at === null ? sum(list.map(Number)) : Number(list[at]);
    if (measure === "requests") return words.number(of(part.requests));
    if (measure === "tokens") return words.tokens(of(part.input), of(part.output), of(part.estimated));
    const [known, unpriced] = [of(part.cost), of(part.unpriced)];
    return words.cost(unpriced ? null : known, known, unpriced, of(part.estimated));
  }

  // Whole dollars need no cents on the axis.
  const dollars = (value) => Number.isInteger(value) ? "$" + words.number(value) : words.usd(value);

  const HOURS = [1, 2, 3, 6, 12, 24, 48];
  const DAYS = [1, 2, 7, 14, 28, 56, 112, 224, 448];

  // No finer than the bars are, and written as `usage` writes them.
  function times(time) {
    const hourly = time.bucket === "hour";
    const written = (at, before) => {
      const [day, clock] = new Date(at * 1000).toISOString().slice(0, 16).split("T");
      const same = before !== undefined && new Date(before * 1000).toISOString().slice(0, hourly ? 10 : 4) === day.slice(0, hourly ? 10 : 4);
      return (hourly ? clock : day.slice(5)) + (same ? "" : `\n${hourly ? day : day.slice(0, 4)}`);
    };
    return {
      incrs: hourly ? HOURS.map((count) => count * 3600) : DAYS.map((count) => count * 86400),
      values: (_, ticks) => ticks.map((at, index) => written(at, ticks[index - 1])),
    };
  }

  function stacked(parts, measure, count) {
    const below = new Array(count).fill(0);
    return parts.map((part) => below.map((_, at) => (below[at] += MEASURES[measure].of(part, at))));
  }

  function options(time, stack, measure, width) {
    const text = getComputedStyle(document.documentElement);
    const ink = text.getPropertyValue("--quiet").trim();
    const line = { stroke: text.getPropertyValue("--line").trim(), width: 1 };
    const font = "12px system-ui, sans-serif";
    const bars = uPlot.paths.bars({ size: [0.8, 48] });
    const half = time.seconds / 2;
    return {
      width,
      height: HEIGHT,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: true, range: (_, low, high) => [low - half, high + half] }, y: { range: { min: { soft: 0, mode: 1 }, max: { pad: 0.05 } } } },
      axes: [
        { stroke: ink, grid: { show: false }, ticks: line, font, space: 70, ...times(time) },
        { stroke: ink, grid: line, ticks: line, font, size: 70, values: (_, ticks) => ticks.map(MEASURES[measure].axis) },
      ],
      // The highest first, so that the lower ones are drawn over it.
      series: [{}, ...time.stacks[stack].map((_, index, all) => ({ paths: bars, points: { show: false }, fill: colour(all.length - 1 - index), stroke: colour(all.length - 1 - index), width: 0 }))],
      hooks: { setCursor: [(made) => show(time, stack, measure, made.cursor.idx ?? null)] },
    };
  }

  // The list below: all of the time, or the moment under the pointer.
  function show(time, stack, measure, at) {
    if (at === shownAt && document.getElementById("legend").childElementCount) return;
    shownAt = at;
    const list = document.getElementById("legend");
    const lines = time.stacks[stack].map((part, index) => {
      const line = tables.element("li");
      const mark = tables.element("span", undefined, { className: `mark c${index % 9}` });
      line.append(mark, `${words.name(part.name)} `, tables.element("b", inWords(part, measure, at)));
      return line;
    });
    list.replaceChildren(tables.element("li", at === null ? "in all" : time.labels[at], { className: "when" }), ...lines);
  }

  function valuesTable(time, stack, measure) {
    const parts = time.stacks[stack];
    return tables.made({
      columns: ["at", ...parts.map((_, index) => `p${index}`)],
      shown: [
        { title: time.bucket, unit: "text", of: ["at"] },
        ...parts.map((part, index) => ({ title: words.name(part.name), unit: "text", of: [`p${index}`] })),
      ],
      rows: time.labels.map((label, at) => [label, ...parts.map((part) => inWords(part, measure, at))]),
      total: null,
    }, { caption: `${MEASURES[measure].title} by ${time.bucket} and ${stack}` });
  }

  function move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!plot || !step) return;
    event.preventDefault();
    const last = plot.data[0].length - 1;
    const at = Math.min(last, Math.max(0, shownAt === null ? (step > 0 ? 0 : last) : shownAt + step));
    plot.setCursor({ left: plot.valToPos(plot.data[0][at], "x"), top: 0 });
  }

  function draw(time, stack, measure) {
    const target = document.getElementById("chart");
    plot?.destroy();
    plot = null;
    shownAt = null;
    const parts = time.stacks[stack];
    target.setAttribute("aria-label", `${MEASURES[measure].title} by ${time.bucket} and ${stack}; arrow keys move in time, the values are listed below`);
    document.getElementById("legend").replaceChildren();
    document.getElementById("values").replaceChildren(valuesTable(time, stack, measure));
    if (!time.labels.length) {
      target.replaceChildren(tables.element("p", "no requests in this time", { className: "none" }));
      return;
    }
    target.replaceChildren();
    const data = [time.starts.map(seconds), ...stacked(parts, measure, time.labels.length).reverse()];
    plot = new uPlot(options(time, stack, measure, target.clientWidth), data, target);
    show(time, stack, measure, null);
  }

  function fit() {
    plot?.setSize({ width: document.getElementById("chart").clientWidth, height: HEIGHT });
  }

  return { draw, fit, move };
})();
