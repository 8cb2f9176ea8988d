// Elements without HTML strings: text can only ever become text.

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && !name.startsWith("aria") && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  return element;
}

export function toast(text, { action, label, seconds = 5 } = {}) {
  const place = document.getElementById("toasts");
  if (!action) clearNotes();
  const line = h("div", { class: action ? "toast" : "toast plain" }, h("span", {}, text));
  let timer;
  const close = () => { clearTimeout(timer); line.remove(); };
  if (action) line.append(h("button", { class: "link", type: "button", onclick: () => { close(); action(); } }, label));
  place.append(line);
  timer = setTimeout(close, seconds * 1000);
  return close;
}

// What went wrong; read out at once, unlike a plain note.
export function problem(error) {
  toast(error.message, { seconds: 8 });
  const line = document.querySelector("#toasts .toast:last-child");
  line.classList.add("bad");
  line.setAttribute("role", "alert");
}

// Notes that belong to what was shown before.
export const clearNotes = () => document.querySelectorAll("#toasts .toast.plain").forEach((line) => line.remove());

const PLACES = { web: "this page", slack: "Slack", telegram: "Telegram", discord: "Discord", console: "the terminal" };
export const placeName = (platform) => PLACES[platform] ?? platform;

let counter = 0;
export function field(label, control, hint = "") {
  control.id ||= `field-${++counter}`;
  const help = hint ? h("small", { id: `${control.id}-hint` }, hint) : null;
  if (help) control.setAttribute("aria-describedby", help.id);
  return h("div", { class: "field" }, h("label", { htmlFor: control.id }, label), control, help);
}

// Asks before something is destroyed; with `word` that word has to be typed.
export function confirmDialog({ title, text, yes, word = "" }) {
  return new Promise((resolve) => {
    const input = h("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: false });
    const button = h("button", { class: "danger", type: "submit", disabled: Boolean(word) }, yes);
    input.addEventListener("input", () => { button.disabled = input.value !== word; });
    const form = h("form", { method: "dialog" },
      h("h2", { id: "dialog-title" }, title), h("p", {}, text),
      word ? field(`Type ${word} to go on`, input) : null,
      h("div", { class: "row end" },
        h("button", { type: "button", class: "quiet", onclick: () => dialog.close("") }, "Cancel"), button));
    form.addEventListener("submit", (event) => { event.preventDefault(); dialog.close("yes"); });
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
    dialog.addEventListener("close", () => { resolve(dialog.returnValue === "yes"); dialog.remove(); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const minute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
export const date = (iso) => day.format(new Date(iso));
export const moment = (iso) => minute.format(new Date(iso));
export const plural = (count, word, words = `${word}s`) => `${count.toLocaleString()} ${count === 1 ? word : words}`;
