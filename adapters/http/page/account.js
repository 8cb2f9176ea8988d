import { api, forgetTokens } from "./api.js";
import { confirmDialog, date, field, fill, h, moment, plural, problem, toast } from "./dom.js";
import { loadPerson, state } from "./state.js";

export function account(root, { onErased, onSignedOut }) {
  const attempt = async (work) => { try { await work(); } catch (error) { problem(error); } };

  function you() {
    const name = h("input", { type: "text", value: state.me.display_name, maxLength: 80, autocomplete: "name" });
    const zone = h("input", { type: "text", value: state.me.timezone, maxLength: 64, list: "zones", required: true });
    const zones = h("datalist", { id: "zones" }, (Intl.supportedValuesOf?.("timeZone") ?? []).map((value) => h("option", { value })));
    const save = (event) => {
      event.preventDefault();
      attempt(async () => {
        state.me = await api.patch("/auth/me", { display_name: name.value, timezone: zone.value });
        toast("Saved.");
      });
    };
    return h("form", { class: "card stack", onsubmit: save }, h("h2", {}, "You"),
      h("p", { class: "fine" }, `${state.me.email ?? "no e-mail"}, here since ${date(state.me.created_at)}`),
      field("What I call you", name), field("Time zone", zone), zones,
      h("div", { class: "row between" },
        h("button", { class: "quiet", type: "button", onclick: () => attempt(async () => { await api.leave(); onSignedOut(); }) }, "Sign out"),
        h("button", { class: "primary", type: "submit" }, "Save")));
  }

  function usage() {
    const place = h("div", { class: "stats" });
    const stat = (label, value, limit) => h("div", {}, h("strong", {}, value.toLocaleString()),
      h("span", {}, limit ? `${label} of ${limit.toLocaleString()}` : label));
    attempt(async () => {
      const used = await api.get("/usage");
      fill(place, stat("messages", used.messages, used.daily_messages),
        stat("tokens, read and written", used.prompt_tokens + used.completion_tokens, used.daily_tokens));
    });
    return h("section", { class: "card stack" }, h("h2", {}, "Today"), place);
  }

  function linked() {
    const list = h("ul", { class: "plain" });
    const shown = h("div", { role: "status" });
    const code = h("input", { type: "text", maxLength: 40, required: true, autocomplete: "off", placeholder: "ABCDE-12345" });
    async function load() {
      const accounts = await api.get("/linked-accounts");
      fill(list, accounts.length ? accounts.map((item) => h("li", { class: "row between" },
        h("span", {}, `${item.display_name || "no name"} on ${item.platform}`),
        h("button", { class: "quiet danger-text", type: "button", onclick: () => part(item) }, "Part"))) :
        h("li", { class: "fine" }, "None yet."));
    }
    async function part(item) {
      if (await confirmDialog({ title: `Part ${item.platform}?`, yes: "Part it",
        text: "That account becomes a new person whom I know nothing about. Everything stays here." })) {
        await attempt(async () => { await api.delete(`/linked-accounts/${item.id}`); await load(); });
      }
    }
    const make = () => attempt(async () => {
      const made = await api.post("/link-codes");
      fill(shown, h("p", {}, "In a direct chat with me, write ", h("code", { class: "big" }, `/link ${made.code}`)),
        h("p", { class: "fine" }, `It works once, until ${moment(made.expires_at)}. Whoever types it gets your memories.`));
    });
    const redeem = (event) => {
      event.preventDefault();
      attempt(async () => {
        const offer = await api.post("/link-codes/redeem", { code: code.value });
        code.value = "";
        const who = offer.accounts.map((item) => `${item.display_name || "no name"} on ${item.platform}`).join(", ");
        if (!await confirmDialog({ title: "Become one person?", yes: "Join", text: `That code belongs to ${who || "another account"}. `
          + "Profiles, memories and talks of both become one person's." })) return;
        const outcome = await api.post("/link-codes/confirm", { token: offer.token });
        toast(`Joined: ${plural(outcome.memories, "memory", "memories")} came along.`);
        await loadPerson();
        account(root, { onErased, onSignedOut });
      });
    };
    attempt(load);
    return h("section", { class: "card stack" }, h("h2", {}, "Linked accounts"),
      h("p", { class: "fine" }, "Be one person here and in your chats, with the same memories."), list,
      h("div", {}, h("button", { class: "quiet", type: "button", onclick: make }, "Make a code")), shown,
      h("form", { class: "row grow", onsubmit: redeem }, field("A code from a chat", code),
        h("button", { class: "quiet", type: "submit" }, "Use it")));
  }

  function password() {
    const current = h("input", { type: "password", autocomplete: "current-password", required: true, maxLength: 200 });
    const fresh = h("input", { type: "password", autocomplete: "new-password", required: true, minLength: 8, maxLength: 200 });
    const change = (event) => {
      event.preventDefault();
      attempt(async () => {
        await api.post("/auth/password", { current_password: current.value, new_password: fresh.value });
        current.value = fresh.value = "";
        toast("Changed. Your other devices are signed out.");
      });
    };
    return h("form", { class: "card stack", onsubmit: change }, h("h2", {}, "Password"),
      h("input", { type: "email", autocomplete: "username", value: state.me.email ?? "", hidden: true, "aria-hidden": "true" }),
      field("Current password", current), field("New password", fresh, "At least 8 characters."),
      h("div", { class: "row end" }, h("button", { class: "primary", type: "submit" }, "Change")));
  }

  function copies() {
    const stamp = new Date().toISOString().slice(0, 10);
    const save = (form, ending) => () => attempt(() => api.download(`/export?format=${form}`, `memorychat-export-${stamp}.${ending}`));
    return h("section", { class: "card stack" }, h("h2", {}, "Take it with you"),
      h("p", { class: "fine" }, "Everything I hold about you. The file is not encrypted: keep it safe."),
      h("div", { class: "row" }, h("button", { class: "quiet", type: "button", onclick: save("json", "json") }, "Export as JSON"),
        h("button", { class: "quiet", type: "button", onclick: save("markdown", "md") }, "Export to read")));
  }

  function erasing() {
    const erase = async () => {
      if (!await confirmDialog({ title: "Erase everything?", word: "DELETE EVERYTHING", yes: "Erase everything",
        text: "Profiles, memories, talks and settings, in every place where we talk, with the keys: no backup brings them back. "
          + "What stands on chat platforms stays there." })) return;
      await attempt(async () => {
        const receipt = await api.delete("/auth/me", { confirmation: "DELETE EVERYTHING" });
        forgetTokens();
        onErased(receipt);
      });
    };
    return h("section", { class: "card stack danger-zone" }, h("h2", {}, "Erase everything"),
      h("p", {}, "All that I hold about you, for good. Export first if you want a copy."),
      h("div", { class: "row end" }, h("button", { class: "danger", type: "button", onclick: erase }, "Erase everything…")));
  }

  fill(root, h("section", { class: "view" }, h("h1", {}, "Account"), you(), usage(), linked(), password(), copies(), erasing()));
  return () => {};
}

const KINDS = { turns: "messages in the queue", replies: "replies to be sent", members: "settings in places",
  identities: "accounts", conversations: "places", sessions: "talks", users: "people", usage: "days of usage" };

export function receiptCard(receipt) {
  const rows = Object.entries(receipt.removed).filter(([, number]) => number);
  return h("section", { class: "card stack receipt", role: "status" }, h("h2", {}, "Everything is erased"),
    h("p", {}, receipt.verified ? "I looked again and found nothing." : "Looking again still found something; please tell the operator."),
    h("dl", {}, rows.map(([what, number]) => [h("dt", {}, KINDS[what] ?? what), h("dd", {}, number.toLocaleString())])),
    h("p", { class: "fine" }, `Receipt ${receipt.id}, ${moment(receipt.created_at)}`));
}
