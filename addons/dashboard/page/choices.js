// The filters that take several names at once: each a button that shows what is chosen, and a list of boxes to tick.
"use strict";
const choices = (() => {
  const { element } = tables;
  const FIND_FROM = 12;
  const all = () => [...document.querySelectorAll(".choice")];
  const boxes = (choice) => [...choice.querySelectorAll("input[type=checkbox]")];
  const menu = (choice) => choice.querySelector(".menu");

  // Of its label alone: what the page has of each.
  function build(choice) {
    const { name } = choice.dataset;
    const label = element("span", choice.textContent, { id: `choice-${name}` });
    const button = element("summary", undefined, { id: `filter-${name}` });
    button.setAttribute("aria-labelledby", `${label.id} ${button.id}`);
    button.append(element("span", "all"), element("b"));
    const list = element("div", undefined, { className: "menu" });
    list.setAttribute("role", "group");
    list.setAttribute("aria-labelledby", label.id);
    const details = element("details");
    details.append(button, list);
    choice.replaceChildren(label, details);
  }

  // What is ticked in the list that `name` is chosen from.
  function chosen(name) {
    const choice = all().find((one) => one.dataset.name === name);
    return boxes(choice).filter((box) => box.checked).map((box) => box.value);
  }

  function line(name, value) {
    const made = element("label");
    made.append(element("input", undefined, { type: "checkbox", name, value }), element("span", words.text(value)));
    made.title = words.text(value);
    return made;
  }

  // A long list can be searched; what is ticked stays in sight.
  function finder(choice) {
    const field = element("input", undefined, { type: "search", className: "find", placeholder: "find" });
    field.setAttribute("aria-label", `Find in ${choice.dataset.name}`);
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase();
      for (const box of boxes(choice)) {
        box.parentNode.hidden = !box.checked && !box.value.toLowerCase().includes(wanted);
      }
    });
    return field;
  }

  // The names there are, and those that are asked for even where there are no such names.
  function offer(choice, names, values) {
    const every = [...new Set([...values.filter((value) => !names.includes(value)), ...names])];
    // Somebody may be just in it, by keys: made anew only where it changes.
    if (every.join("\n") === boxes(choice).map((box) => box.value).join("\n")) return;
    const lines = every.map((value) => line(choice.dataset.name, value));
    const clear = element("button", "all", { type: "button", className: "all" });
    clear.dataset.clears = choice.dataset.name;
    menu(choice).replaceChildren(...(every.length < FIND_FROM ? [] : [finder(choice)]), clear, ...lines);
  }

  // As the address has it: `given(name)` are the values that are asked for.
  function show(given, names) {
    for (const choice of all()) {
      const { name } = choice.dataset;
      const values = given(name);
      offer(choice, (names && names[name]) || [], values);
      for (const box of boxes(choice)) box.checked = values.includes(box.value);
      const [first, ...more] = values.map(words.text);
      const button = choice.querySelector("summary");
      button.firstElementChild.textContent = first === undefined ? "all" : first;
      button.lastElementChild.textContent = more.length ? `+${more.length}` : "";
      button.title = values.map(words.text).join(", ");
      choice.classList.toggle("some", values.length > 0);
    }
  }

  function close(but) {
    for (const choice of all()) if (choice !== but) choice.querySelector("details").open = false;
  }

  // `then(name, values)` is told what is chosen each time that it changes.
  function watch(form, then) {
    form.addEventListener("click", (event) => {
      const name = event.target.dataset.clears;
      if (name) then(name, []);
    });
    form.addEventListener("keydown", (event) => {
      const choice = event.target.closest(".choice");
      if (!choice) return;
      if (event.key === "Escape") {
        close();
        choice.querySelector("summary").focus();
      }
      step(choice, event);
    });
    // One that would stick out of the window opens to the left.
    form.addEventListener("toggle", (event) => {
      const list = menu(event.target.closest(".choice"));
      list.classList.remove("leftwards");
      list.classList.toggle("leftwards", list.getBoundingClientRect().right > document.documentElement.clientWidth);
    }, true);
    form.addEventListener("focusin", (event) => close(event.target.closest(".choice")));
    document.addEventListener("click", (event) => close(event.target.closest(".choice")));
  }

  // Up and down go through the list, as they do in a list of the browser's own.
  function step(choice, event) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    choice.querySelector("details").open = true;
    const stops = [choice.querySelector("summary"), ...menu(choice).querySelectorAll("input, button")]
      .filter((one) => !one.closest("[hidden]"));
    const next = stops[stops.indexOf(event.target) + by];
    if (next) next.focus();
  }

  all().forEach(build);
  return { chosen, show, watch };
})();
