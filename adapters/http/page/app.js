import { account, receiptCard } from "./account.js";
import { isSignedIn, onSignedOut } from "./api.js";
import { clearNotes, fill, h, problem } from "./dom.js";
import { icon } from "./icons.js";
import { memories } from "./memories.js";
import { profiles } from "./profiles.js";
import { sessions } from "./sessions.js";
import { signIn } from "./signin.js";
import { MODES, changeMode, listen, loadPerson, newTalk, state } from "./state.js";
import { startNew, talk } from "./talk.js";

const root = document.getElementById("app");
const VIEWS = { talk: ["Talk", talk], memories: ["Memories", memories], profiles: ["Profiles", profiles],
  sessions: ["Talks", sessions], account: ["Account", account] };
let leave = () => {};
let unlisten = () => {};

function door(notice = null) {
  leave();
  clearNotes();
  unlisten();
  leave = unlisten = () => {};
  delete document.documentElement.dataset.mode;
  signIn(root, start, notice);
}

async function start() {
  try {
    await loadPerson();
  } catch (error) {
    if (!isSignedIn()) { door(); return; }
    fill(root, h("main", { class: "door" }, h("p", { class: "error", role: "alert" }, error.message),
      h("button", { class: "primary", type: "button", onclick: start }, "Try again")));
    return;
  }
  frame();
}

function modeSwitch() {
  const choice = h("fieldset", { class: "modes" }, h("legend", { class: "hidden" }, "Privacy mode"),
    Object.entries(MODES).map(([mode, { label, help }]) => h("label", { title: help },
      h("input", { type: "radio", name: "mode", value: mode, checked: mode === state.mode, onchange: async () => {
        try { await changeMode(mode); } catch (error) {
          problem(error);
          // Shown is the mode that holds, not the one that was wished for.
          choice.querySelector(`input[value=${state.mode}]`).checked = true;
        }
      } }), h("span", {}, icon(mode), label))));
  return choice;
}

function profileSwitch() {
  return h("select", { class: "profile", "aria-label": "Profile", onchange: (event) => newTalk({ profileId: event.target.value }) },
    state.profiles.map((item) => h("option", { value: item.id, selected: item.id === state.profileId }, item.name)));
}

function frame() {
  const content = h("main", { id: "content", tabIndex: -1 });
  const badge = h("span", { class: "badge", role: "status" });
  const profilePlace = h("div"), modePlace = h("div");
  const links = Object.entries(VIEWS).map(([name, [label]]) =>
    h("a", { href: `#${name}`, "data-view": name }, icon(name), h("span", {}, label)));
  fill(root, h("a", { class: "skip", href: "#content", onclick: (event) => { event.preventDefault(); content.focus(); } }, "Skip to content"),
    h("div", { class: "frame" },
      h("nav", { class: "side", "aria-label": "Main" },
        h("div", { class: "brand" }, h("img", { src: "icon.svg", alt: "", width: 32, height: 32 }), h("span", {}, "MemoryChat")),
        h("button", { class: "primary wide new", type: "button", onclick: startNew, "aria-label": "New talk" }, icon("plus"), h("span", {}, "New talk")),
        links),
      h("div", { class: "stage" }, h("header", { class: "top" }, profilePlace, modePlace, badge), content)));

  let known = "";
  const show = () => {
    const { badge: text } = MODES[state.mode];
    document.documentElement.dataset.mode = state.mode;
    fill(badge, icon(state.mode), h("span", {}, text));
    const now = JSON.stringify([state.profiles.map((item) => [item.id, item.name]), state.profileId, state.mode]);
    if (now === known) return;
    known = now;
    fill(profilePlace, profileSwitch());
    const focused = modePlace.contains(document.activeElement);
    fill(modePlace, modeSwitch());
    if (focused) modePlace.querySelector("input:checked").focus();
  };

  const go = () => {
    const name = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "talk";
    leave();
    clearNotes();
    for (const link of links) {
      if (link.dataset.view === name) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    document.title = `${VIEWS[name][0]} · MemoryChat`;
    leave = VIEWS[name][1](content, { onErased: (receipt) => door(receiptCard(receipt)), onSignedOut: () => door() });
  };

  unlisten();
  const off = listen(show);
  addEventListener("hashchange", go);
  unlisten = () => { off(); removeEventListener("hashchange", go); };
  show();
  go();
}

onSignedOut(() => door(h("p", { class: "notice" }, "You were signed out. Please sign in again.")));
if (isSignedIn()) start(); else door();
