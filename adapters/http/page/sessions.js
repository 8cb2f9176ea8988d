import { api } from "./api.js";
import { confirmDialog, fill, h, moment, plural, problem } from "./dom.js";
import { MODES, newTalk, openTalk, state } from "./state.js";

const PAGE = 25;

export function sessions(root) {
  let offset = 0;
  const list = h("ul", { class: "cards", "aria-label": "Talks" });
  const more = h("button", { class: "quiet", type: "button", hidden: true, onclick: load }, "Show more");

  async function load() {
    try {
      const items = await api.get(`/sessions?limit=${PAGE}&offset=${offset}`);
      list.append(...items.map(card));
      offset += items.length;
      more.hidden = items.length < PAGE;
      if (!list.childElementCount) list.append(h("li", { class: "empty" }, "No talk yet."));
    } catch (error) { problem(error); }
  }

  function card(session) {
    const used = state.profiles.find((item) => item.id === session.memory_profile_id);
    const preview = h("p", { class: "memory" }, "…");
    const item = h("li", { class: "card" }, preview,
      h("footer", { class: "split" }, h("time", { dateTime: session.updated_at }, moment(session.updated_at)),
        h("span", { class: "chip" }, used ? used.name : "profile deleted"),
        session.privacy_mode === "normal" ? null : h("span", { class: "chip on" }, MODES[session.privacy_mode].label),
        h("span", {}, plural(session.message_count, "message")),
        h("div", { class: "row end" },
        session.closed_at ? h("span", { class: "fine" }, "closed") : h("button", { class: "quiet", type: "button", onclick: () => {
          openTalk(session);
          location.hash = "#talk";
        } }, "Open"),
        h("button", { class: "quiet danger-text", type: "button", onclick: remove }, "Delete"))));
    peek();

    async function peek() {
      if (session.privacy_mode === "incognito") { preview.textContent = "Incognito: nothing of it is kept."; return; }
      try {
        const [first] = await api.get(`/sessions/${session.id}/messages?limit=1`);
        preview.textContent = first?.content ? first.content.slice(0, 140) : "No message is kept.";
      } catch { preview.textContent = ""; }
    }

    async function remove() {
      if (!await confirmDialog({ title: "Delete this talk?", yes: "Delete it",
        text: "Its messages and their key go. What I learned from it stays; you find that under Memories." })) return;
      try {
        await api.delete(`/sessions/${session.id}`);
        item.remove();
        if (state.session?.id === session.id) newTalk();
      } catch (error) { problem(error); }
    }
    return item;
  }

  fill(root, h("section", { class: "view" }, h("h1", {}, "Talks"),
    h("p", { class: "lead" }, "On every platform where we meet. One that began elsewhere is continued there."), list,
    h("p", { class: "center" }, more)));
  load();
  return () => {};
}
