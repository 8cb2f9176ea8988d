import { api } from "./api.js";
import { confirmDialog, date, fill, h, moment, placeName, plural, problem } from "./dom.js";
import { icon } from "./icons.js";
import { markdown } from "./markdown.js";
import { MODES, changeMode, ensureTalk, listen, loadProfiles, newTalk, profile, state } from "./state.js";

const LOCAL = {
  "/new": () => newTalk(),
  "/incognito": () => changeMode("incognito"),
  "/incognito on": () => changeMode("incognito"),
  "/incognito off": () => changeMode("normal"),
  "/pause": () => changeMode("pause_memories"),
  "/resume": () => changeMode("normal"),
  "/erase": () => { location.hash = "#account"; },
};

export function talk(root) {
  let running = null;
  let shownSession;
  const log = h("div", { class: "log", role: "log", "aria-label": "The talk", "aria-live": "polite", tabIndex: 0 });
  const input = h("textarea", { rows: 1, placeholder: "Write a message", "aria-label": "Message", maxLength: 100000,
    enterKeyHint: "send" });
  const send = h("button", { class: "primary round", type: "submit", "aria-label": "Send", title: "Send" }, icon("send"));
  const stop = h("button", { class: "round stop", type: "button", "aria-label": "Stop the answer", title: "Stop",
    hidden: true, onclick: halt }, "■");
  const form = h("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); submit(); } },
    input, stop, send);
  const hint = h("p", { class: "fine center" });

  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
  });
  input.addEventListener("input", grow);
  function grow() {
    input.rows = Math.min(8, Math.max(1, input.value.split("\n").length));
  }

  async function submit(given) {
    const text = (given ?? input.value).trim();
    if (!text || running) return;
    if (given === undefined) { input.value = ""; grow(); }
    const local = LOCAL[text.toLowerCase()];
    if (local) { await attempt(local); return; }
    await answer(text);
  }

  async function attempt(work) {
    try { await work(); } catch (error) { problem(error); }
  }

  async function answer(text) {
    log.querySelector(".empty")?.remove();
    log.append(message("user", text));
    const bubble = message("assistant", "");
    bubble.classList.add("writing");
    log.append(bubble);
    follow(true);
    running = new AbortController();
    busy(true);
    let whole = "", frame = 0, ended = false;
    const paint = () => { frame = 0; fill(bubble.firstChild, markdown(whole)); follow(); };
    try {
      const session = await ensureTalk();
      shownSession = session.id;
      await api.stream("/chat/stream", { session_id: session.id, message: text }, {
        signal: running.signal,
        onChunk: (chunk) => {
          if (chunk.type === "delta") { whole += chunk.text; frame ||= requestAnimationFrame(paint); return; }
          cancelAnimationFrame(frame);
          ended = true;
          finish(bubble, chunk);
        },
      });
      if (!ended) fault(bubble, "The connection broke. What arrived may not be all; the talk has it when it is.");
    } catch (error) {
      cancelAnimationFrame(frame);
      fault(bubble, error.message);
      if (["conflict", "not_found"].includes(error.code)) newTalk();
    } finally {
      bubble.classList.remove("writing");
      running = null;
      busy(false);
      loadProfiles().catch(() => {});
    }
  }

  function finish(bubble, chunk) {
    const reply = chunk.response;
    if (!reply) { fault(bubble, chunk.detail); return; }
    fill(bubble.firstChild, markdown(reply.reply));
    if (chunk.type === "error") bubble.classList.add("failed");
    const notes = [];
    if (reply.badge) notes.push(h("span", {}, MODES[reply.privacy_mode].badge));
    if (reply.memories_used.length) notes.push(reasons(reply.memories_used));
    if (reply.recall_missed) notes.push(h("span", {}, "answered without memory: it was late"));
    const buttons = reply.buttons.map((button) => h("button", { type: "button", class: button.danger ? "danger" : "quiet",
      onclick: () => submit(button.command) }, button.label));
    const files = reply.files.map((file) => h("button", { type: "button", class: "quiet",
      onclick: () => saveFile(file) }, `Save ${file.name}`));
    bubble.append(...(buttons.length + files.length ? [h("div", { class: "row" }, buttons, files)] : []),
      ...(notes.length ? [h("footer", {}, notes)] : []));
    follow();
  }

  // Which memories an answer stands on; looked up when somebody asks.
  function reasons(ids) {
    const list = h("ul", { class: "plain reasons" });
    const shown = h("details", {}, h("summary", {}, `used ${plural(ids.length, "memory", "memories")}`), list);
    shown.addEventListener("toggle", async () => {
      if (!shown.open || list.childElementCount) return;
      try {
        const known = await api.get(`/memory-profiles/${state.profileId}/memories?limit=500&include_superseded=true`);
        const used = known.filter((item) => ids.includes(item.id));
        list.append(...used.map((item) => h("li", {}, `“${item.memory}”`, h("span", { class: "fine" },
          ` ${date(item.metadata.said_at)} · ${placeName(item.metadata.platform || "web")}`))));
        const rest = ids.length - used.length;
        if (rest) list.append(h("li", { class: "fine" }, `${plural(rest, "memory", "memories")} changed or forgotten since.`));
      } catch (error) { problem(error); }
    });
    return shown;
  }

  function fault(bubble, text) {
    bubble.classList.add("failed");
    bubble.firstChild.append(h("p", { class: "error" }, text));
    follow();
  }

  async function halt() {
    if (!state.session) { running?.abort(); return; }
    try {
      const { stopped } = await api.post(`/sessions/${state.session.id}/stop`);
      if (!stopped) running?.abort();
    } catch { running?.abort(); }
  }

  function busy(on) {
    stop.hidden = !on;
    send.hidden = on;
    log.setAttribute("aria-busy", String(on));
    if (!on) input.focus();
  }

  function follow(force = false) {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < 160;
    if (force || near) log.scrollTop = log.scrollHeight;
  }

  function message(role, text, at = null, used = []) {
    const body = h("div", { class: "body" }, role === "user" ? text : markdown(text));
    return h("article", { class: `message ${role}`, "aria-label": role === "user" ? "You" : "MemoryChat" }, body,
      at ? h("footer", {}, moment(at), used.length ? reasons(used) : null) : null);
  }

  function greeting() {
    const name = state.me.display_name ? `, ${state.me.display_name}` : "";
    const start = (text) => h("button", { class: "suggestion", type: "button", onclick: () => submit(text) }, text);
    return h("div", { class: "empty" }, h("h2", {}, `Hello${name}.`),
      h("p", {}, state.mode === "incognito"
        ? "This talk is incognito: nothing of it is stored, and it is gone when it ends."
        : `Tell me something worth remembering. I keep it in “${profile().name}”, and you can see and change it at any time.`),
      h("div", { class: "suggestions" }, start("What do you remember about me?"), start("/help")));
  }

  async function show() {
    hint.textContent = MODES[state.mode].help;
    const id = state.session?.id;
    if (running || (id === shownSession && log.childElementCount && !log.querySelector(".empty"))) return;
    shownSession = id;
    fill(log, greeting());
    if (!id) return;
    try {
      const messages = await api.get(`/sessions/${id}/messages?limit=500`);
      if (messages.length) {
        fill(log, messages.map((item) => message(item.role, item.content ?? "(its key was destroyed)", item.created_at,
          item.metadata.memories_used)));
        follow(true);
      }
    } catch (error) { problem(error); }
  }

  fill(root, h("section", { class: "talk", "aria-label": "Talk" }, log, h("div", { class: "foot" }, form, hint)));
  const off = listen(show);
  show();
  if (matchMedia("(hover: hover)").matches) input.focus();
  return () => { off(); running?.abort(); };
}

function saveFile(file) {
  const bytes = Uint8Array.from(atob(file.content_base64), (letter) => letter.charCodeAt(0));
  const link = h("a", { href: URL.createObjectURL(new Blob([bytes], { type: file.media_type })), download: file.name });
  link.click();
}

export async function startNew() {
  if (state.mode === "incognito" && state.session) {
    const sure = await confirmDialog({ title: "End this incognito talk?", text: "It is kept nowhere, so it is gone then.",
      yes: "End it" });
    if (!sure) return;
  }
  newTalk();
  location.hash = "#talk";
}
