import { api } from "./api.js";
import { date, fill, h, moment, placeName, plural, problem, toast } from "./dom.js";
import { listen, loadProfiles, profile, state } from "./state.js";

const UNDO_SECONDS = 6;
const PAGE = 50;
const STATES = { recent: "new", learned: "", superseded: "replaced" };

export function memories(root) {
  const leaving = new Map();
  let offset = 0, shownProfile, ticket = 0;
  const search = h("input", { type: "search", placeholder: "Search what I remember", "aria-label": "Search memories",
    maxLength: 1000 });
  const count = h("p", { class: "fine", role: "status" });
  const list = h("ul", { class: "cards", "aria-label": "Memories" });
  const more = h("button", { class: "quiet", type: "button", hidden: true, onclick: () => load(false) }, "Show more");
  const text = h("input", { type: "text", placeholder: "Something to remember for good", "aria-label": "New memory",
    maxLength: 2000, required: true });
  const add = h("form", { class: "row grow", onsubmit: create }, text,
    h("button", { class: "primary", type: "submit" }, "Remember"));
  const heading = h("h1", {});

  let timer;
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => load(true), 250); });

  async function load(fresh) {
    const mine = ++ticket;
    const query = search.value.trim();
    const path = `/memory-profiles/${state.profileId}`;
    if (fresh) offset = 0;
    try {
      const items = query
        ? (await api.post(`${path}/search`, { query, limit: 50 })).results
        : await api.get(`${path}/memories?limit=${PAGE}&offset=${offset}`);
      if (mine !== ticket) return;
      if (fresh) fill(list);
      list.append(...items.map(card));
      offset += items.length;
      more.hidden = Boolean(query) || items.length < PAGE;
      count.textContent = query ? `${plural(items.length, "memory", "memories")} found`
        : plural(profile().memory_count, "memory", "memories");
      if (!list.childElementCount) list.append(h("li", { class: "empty" }, query ? "Nothing fits that." :
        `I know nothing in “${profile().name}” yet. Tell me something in a talk, or write it above.`));
    } catch (error) { problem(error); }
  }

  async function create(event) {
    event.preventDefault();
    try {
      await api.post(`/memory-profiles/${state.profileId}/memories`, { content: text.value });
      text.value = "";
      search.value = "";
      await loadProfiles();
      await load(true);
    } catch (error) { problem(error); }
  }

  function card(memory) {
    const said = h("p", { class: "memory" }, memory.memory);
    const meta = memory.metadata;
    const chips = [STATES[meta.state]].filter(Boolean).map((word) => h("span", { class: "chip" }, word));
    const source = meta.platform ? ` · told on ${placeName(meta.platform)}` : "";
    const actions = h("div", { class: "row end" },
      h("button", { class: "quiet", type: "button", onclick: () => edit() }, "Edit"),
      h("button", { class: "quiet danger-text", type: "button", onclick: () => forget() }, "Forget"));
    const item = h("li", { class: "card" }, said,
      h("footer", { class: "split" }, h("p", {}, h("time", { dateTime: meta.said_at, title: moment(meta.said_at) },
        date(meta.said_at)), source, chips), actions));

    function edit() {
      const area = h("textarea", { value: said.textContent, "aria-label": "The memory's text", maxLength: 2000, rows: 3 });
      const form = h("form", { class: "stack", onsubmit: async (event) => {
        event.preventDefault();
        try {
          said.textContent = (await api.patch(`/memories/${memory.id}`, { content: area.value })).memory;
          form.replaceWith(said);
          actions.hidden = false;
        } catch (error) { problem(error); }
      } }, area, h("div", { class: "row end" },
        h("button", { class: "quiet", type: "button", onclick: () => { form.replaceWith(said); actions.hidden = false; } },
          "Cancel"),
        h("button", { class: "primary", type: "submit" }, "Save")));
      actions.hidden = true;
      said.replaceWith(form);
      area.focus();
    }

    // Carried out a little later, so that it can be undone; at once when the person goes away.
    function forget() {
      item.classList.add("leaving");
      const close = toast("Forgetting one memory…", { label: "Undo", seconds: UNDO_SECONDS, action: () => {
        clearTimeout(leaving.get(memory.id)?.timer);
        leaving.delete(memory.id);
        item.classList.remove("leaving");
      } });
      const carryOut = async (keepalive = false) => {
        leaving.delete(memory.id);
        close();
        try {
          const receipt = await api.delete(`/memories/${memory.id}`, undefined, { keepalive });
          item.remove();
          if (!keepalive) {
            toast(`Forgotten. Receipt ${receipt.id.slice(0, 8)}: ${receipt.verified ? "I looked again and found nothing."
              : "looking again still found something!"}`);
            await loadProfiles();
          }
        } catch (error) { item.classList.remove("leaving"); problem(error); }
      };
      leaving.set(memory.id, { carryOut, timer: setTimeout(carryOut, UNDO_SECONDS * 1000) });
    }
    return item;
  }

  function show() {
    heading.textContent = `What I remember in “${profile().name}”`;
    if (shownProfile === state.profileId) return;
    shownProfile = state.profileId;
    load(true);
  }

  const flush = () => leaving.forEach(({ timer: waiting, carryOut }) => { clearTimeout(waiting); carryOut(true); });
  addEventListener("pagehide", flush);
  fill(root, h("section", { class: "view" }, heading, add, search, count, list, h("p", { class: "center" }, more)));
  const off = listen(show);
  show();
  return () => { off(); removeEventListener("pagehide", flush); flush(); };
}
