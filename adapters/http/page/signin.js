import { api } from "./api.js";
import { field, fill, h } from "./dom.js";

export function signIn(root, onDone, notice = null) {
  let joining = false;
  const email = h("input", { type: "email", name: "email", autocomplete: "username", required: true, maxLength: 254 });
  const password = h("input", { type: "password", name: "password", required: true, maxLength: 200 });
  const error = h("p", { class: "error", role: "alert" });
  const submit = h("button", { class: "primary wide", type: "submit" });
  const swap = h("button", { class: "link", type: "button", onclick: () => { joining = !joining; show(); } });
  const hint = h("small", {}, "At least 8 characters; a sentence is best.");
  const form = h("form", { class: "card stack", onsubmit: enter },
    field("E-mail", email), field("Password", password), hint, error, submit, h("p", { class: "center" }, swap));

  async function enter(event) {
    event.preventDefault();
    error.textContent = "";
    submit.disabled = true;
    try {
      await api.enter(joining ? "/auth/signup" : "/auth/login", email.value, password.value);
      await onDone();
    } catch (problem) {
      error.textContent = problem.message;
      password.focus();
    } finally {
      submit.disabled = false;
    }
  }

  function show() {
    submit.textContent = joining ? "Create account" : "Sign in";
    swap.textContent = joining ? "I have an account: sign in" : "New here? Create an account";
    password.autocomplete = joining ? "new-password" : "current-password";
    password.minLength = joining ? 8 : 1;
    hint.hidden = !joining;
    error.textContent = "";
  }

  show();
  fill(root, h("main", { class: "door" },
    h("header", { class: "hero" }, h("img", { src: "icon.svg", alt: "", width: 56, height: 56 }),
      h("h1", {}, "MemoryChat"), h("p", {}, "It remembers you, and you decide what.")),
    notice, form,
    h("p", { class: "fine" }, "Your messages and memories are encrypted at rest, and erased for good when you say so.")));
  email.focus();
}
