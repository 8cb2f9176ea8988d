import { api } from "./api.js";
import { confirmDialog, date, field, fill, h, placeName, plural, problem, toast } from "./dom.js";
import { listen, loadProfiles, newTalk, state } from "./state.js";

const roomName = (room) => `${placeName(room.platform)} room ${room.chat_id}`;

export function profiles(root) {
  const name = h("input", { type: "text", maxLength: 40, required: true });
  const description = h("input", { type: "text", maxLength: 500 });
  const cards = h("ul", { class: "cards", "aria-label": "Your profiles" });
  const form = h("form", { class: "card stack", onsubmit: create }, h("h2", {}, "New profile"),
    field("Name", name), field("What it is for", description),
    h("div", { class: "row end" }, h("button", { class: "primary", type: "submit" }, "Make it")));

  async function attempt(work, done) {
    try { await work(); await loadProfiles(); show(); if (done) toast(done); } catch (error) { problem(error); }
  }

  async function create(event) {
    event.preventDefault();
    await attempt(async () => {
      await api.post("/memory-profiles", { name: name.value, description: description.value });
      name.value = description.value = "";
    }, "It is there.");
  }

  function card(item) {
    const path = `/memory-profiles/${item.id}`;
    const called = h("input", { type: "text", value: item.name, maxLength: 40, required: true });
    const about = h("input", { type: "text", value: item.description, maxLength: 500 });
    const rules = h("textarea", { value: item.instructions, maxLength: 2000, rows: 3 });
    const days = h("input", { type: "number", value: item.retention_days ?? "", min: 1, max: 36500 });
    const shares = h("div");
    const save = (event) => {
      event.preventDefault();
      attempt(() => api.put(path, { name: called.value, description: about.value, instructions: rules.value,
        retention_days: Number(days.value) || 0 }), "Saved.");
    };
    const remove = async () => {
      if (await confirmDialog({ title: `Delete “${item.name}”?`, yes: "Delete it",
        text: `${plural(item.memory_count, "memory", "memories")} and the talks with it go too. There is no way back.` })) {
        await attempt(async () => { const receipt = await api.delete(path); toast(`Deleted. Receipt ${receipt.id.slice(0, 8)}.`); });
      }
    };
    const others = state.profiles.filter((other) => other.id !== item.id);
    const target = h("select", { "aria-label": `Copy the memories of ${item.name} to` },
      others.map((other) => h("option", { value: other.id }, other.name)));
    const copy = () => attempt(async () => {
      const { copied } = await api.post(`${path}/copy`, { target_profile_id: target.value });
      toast(`${plural(copied, "memory", "memories")} copied.`);
    });
    const details = h("details", { ontoggle: () => details.open && loadShares(item, shares) },
      h("summary", {}, "Change"),
      h("form", { class: "stack", onsubmit: save },
        field("Name", called), field("What it is for", about),
        field("Instructions", rules, "I follow them whenever this profile is in use."),
        field("Keep memories for days", days, "Empty: until you forget them."),
        h("div", { class: "row end" }, h("button", { class: "primary", type: "submit" }, "Save"))),
      others.length ? h("div", { class: "row" }, h("span", {}, "Copy memories to"), target,
        h("button", { class: "quiet", type: "button", onclick: copy }, "Copy")) : null,
      shares,
      h("div", { class: "row end" },
        others.length ? h("button", { class: "quiet danger-text", type: "button", onclick: remove }, "Delete profile") : null));
    return h("li", { class: "card" },
      h("div", { class: "row between" },
        h("h2", {}, item.name, item.is_default ? h("span", { class: "chip" }, "default") : null,
          item.id === state.profileId ? h("span", { class: "chip on" }, "in use") : null),
        h("span", { class: "fine" }, plural(item.memory_count, "memory", "memories"))),
      item.description ? h("p", {}, item.description) : null,
      h("div", { class: "row" },
        item.id === state.profileId ? null : h("button", { class: "quiet", type: "button",
          onclick: () => { newTalk({ profileId: item.id }); show(); } }, "Use here"),
        item.is_default ? null : h("button", { class: "quiet", type: "button",
          onclick: () => attempt(() => api.post(`${path}/set-default`), "That is the default now.") }, "Make default")),
      details);
  }

  async function loadShares(item, place) {
    const path = `/memory-profiles/${item.id}/shares`;
    try {
      const [shares, rooms] = await Promise.all([api.get(path), api.get("/rooms")]);
      const shared = new Set(shares.map((share) => share.conversation_id));
      const free = rooms.filter((room) => !shared.has(room.conversation_id));
      const change = (work, done) => attempt(async () => { await work(); await loadShares(item, place); }, done);
      const room = h("select", { "aria-label": `Room to share ${item.name} with` },
        free.map((other) => h("option", { value: other.conversation_id }, roomName(other))));
      const share = async () => {
        const name = room.selectedOptions[0].textContent;
        if (await confirmDialog({ title: `Share “${item.name}” with ${name}?`, yes: "Share it",
          text: "Everybody who can read that room can then get quoted what I remember in this profile "
            + `(${plural(item.memory_count, "memory", "memories")}) and what I learn in it later. A new talk begins there.` })) {
          await change(() => api.post(path, { conversation_id: room.value }), "Shared. You can take it back here at any time.");
        }
      };
      fill(place, shares.length || free.length ? h("h3", {}, "Rooms that may use it") : null,
        shares.map((one) => h("div", { class: "row between" },
          h("span", {}, `${roomName(one)}, since ${date(one.created_at)}`),
          h("button", { class: "quiet", type: "button",
            onclick: () => change(() => api.delete(`${path}/${one.conversation_id}`)) }, "Unshare"))),
        free.length ? h("div", { class: "row" }, h("span", {}, "Share with"), room,
          h("button", { class: "quiet", type: "button", onclick: share }, "Share…")) : null);
    } catch (error) { problem(error); }
  }

  let known = "";
  function show() {
    const now = JSON.stringify([state.profiles, state.profileId]);
    if (now !== known) { known = now; fill(cards, state.profiles.map(card)); }
  }

  fill(root, h("section", { class: "view" }, h("h1", {}, "Profiles"),
    h("p", { class: "lead" }, "Each is a memory of its own: what I learn in one I do not know in another."), cards, form));
  const off = listen(show);
  show();
  return off;
}
