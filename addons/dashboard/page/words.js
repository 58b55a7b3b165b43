// Amounts and names as the command line writes them (cli/amounts.py, cli/tables.py), to the character.
"use strict";
const words = (() => {
  const UNITS = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
  const SPANS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const NOTHING = "–";

  // As Python rounds: where a number lies exactly between two, to the even one.
  function fixed(value, places) {
    const scale = 10 ** places;
    const between = Math.abs(value * 2 ** (places + 1)) % 2 === 1;
    return between ? (2 * Math.round(value * scale / 2) / scale).toFixed(places) : value.toFixed(places);
  }

  // Two or three digits and a unit; rounding may carry: 999,600 is 1.0M and not 1000K.
  function compact(count) {
    for (let place = UNITS.length - 1; place >= 0; place--) {
      const scaled = count / UNITS[place][0];
      const text = fixed(scaled, scaled < 9.95 ? 1 : 0);
      if (scaled >= 1 && (Number(text) < 1000 || place === 0)) return text + UNITS[place][1];
    }
    return String(count);
  }

  // The dollars come as decimals, so they are rounded as such.
  function places(amount, digits) {
    const how = { minimumFractionDigits: digits, maximumFractionDigits: digits, roundingMode: "halfEven" };
    return amount.toLocaleString("en-US", how);
  }

  function usd(amount) {
    if (amount < 0) return "-" + usd(-amount);
    if (amount === 0 || amount >= 0.01) return "$" + places(amount, 2);
    return amount >= 0.0001 ? "$" + places(amount, 4) : "<$0.0001";
  }

  function percent(share) {
    if (share > 0 && share < 0.01) return "<1%";
    if (share > 0.99 && share < 1) return ">99%";
    return fixed(share * 100, 0) + "%";
  }

  // "?" where nothing is known, "≥" where something is not, "~" where tokens are estimated.
  function cost(amount, known, unpriced, estimated) {
    if (amount === null && !Number(known)) return "?";
    return (unpriced ? "≥" : "") + (estimated ? "~" : "") + usd(Number(known));
  }

  const money = (amount, estimated) => amount === null ? "?" : (estimated ? "~" : "") + usd(Number(amount));
  const tokens = (into, out, estimated) => `${estimated ? "~" : ""}${compact(into)} / ${compact(out)}`;
  const ifAny = (form) => (value) => value === null || value === undefined ? NOTHING : form(value);
  const speed = (rate) => fixed(rate, rate >= 9.95 ? 0 : 1) + "/s";

  function span(seconds) {
    const left = Math.ceil(Math.max(seconds, 0));
    const at = SPANS.findIndex(([size]) => left >= size);
    if (at < 0 || at === SPANS.length - 1) return `${left} s`;
    const [[size, unit], [smaller, next]] = [SPANS[at], SPANS[at + 1]];
    const rest = Math.floor(left % size / smaller);
    return `${Math.floor(left / size)} ${unit}` + (rest ? ` ${rest} ${next}` : "");
  }

  function milliseconds(ms) {
    if (ms < 10) return `${Number(ms.toPrecision(2))} ms`;
    if (ms < 999.5) return `${fixed(ms, 0)} ms`;
    return ms < 59950 ? `${fixed(ms / 1000, 1)} s` : span(ms / 1000);
  }

  // What does not print, and what turns the direction of a line around, is shown and not obeyed (cli/columns.py).
  const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
  const text = (value) => value === null || value === undefined ? "" : String(value).replace(UNPRINTABLE, "�");
  const name = (value) => text(value) || "(none)";
  const number = (value) => typeof value === "number" ? value.toLocaleString("en-US") : text(value);

  // In the browser's time zone, to the minute.
  const moment = (us) => new Date(us / 1000).toLocaleString("sv-SE").slice(0, 16);

  // By the units of addons/usage/reports.py.
  const FORMATS = {
    "name": name,
    "text": text,
    "number": number,
    "count": number,
    "share": percent,
    "tokens": tokens,
    "cost": cost,
    "usd": money,
    "usd-if-any": ifAny((amount) => usd(Number(amount))),
    "amount": compact,
    "amount-if-any": ifAny(compact),
    "part": ifAny(percent),
    "ratio": ifAny((value) => fixed(value, 2)),
    "ms": ifAny(milliseconds),
    "speed": ifAny(speed),
    "time": ifAny((value) => text(value).slice(0, 16)),
  };

  return { FORMATS, compact, usd, percent, cost, tokens, text, name, number, milliseconds, moment };
})();
