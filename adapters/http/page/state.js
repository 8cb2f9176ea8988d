// What the views share, and who hears of a change.

import { api } from "./api.js";

const TALK = "memorychat.talk";
const listeners = new Set();

export const state = { me: null, profiles: [], profileId: null, mode: "normal", session: null };

export const MODES = {
  normal: { label: "Normal", badge: "Remembering", help: "I recall and learn." },
  pause_memories: { label: "Paused", badge: "Memory paused", help: "I recall, but learn nothing new." },
  incognito: { label: "Incognito", badge: "Incognito",
    help: "I recall nothing, learn nothing and store no word. The model's provider still sees the text." },
};

export const listen = (callback) => { listeners.add(callback); return () => listeners.delete(callback); };
export const changed = () => listeners.forEach((callback) => callback());
export const profile = () => state.profiles.find((item) => item.id === state.profileId) || state.profiles[0];

export async function loadPerson() {
  [state.me, state.profiles] = await Promise.all([api.get("/auth/me"), api.get("/memory-profiles")]);
  const kept = JSON.parse(localStorage.getItem(TALK) || "{}");
  state.profileId = state.profiles[0].id;
  state.mode = "normal";
  state.session = null;
  if (kept.user === state.me.id && kept.session) await resume(kept.session);
  changed();
}

export async function loadProfiles() {
  state.profiles = await api.get("/memory-profiles");
  if (!state.profiles.some((item) => item.id === state.profileId)) {
    state.profileId = state.profiles[0].id;
    newTalk();
  }
  changed();
}

async function resume(id) {
  try {
    const session = await api.get(`/sessions/${id}`);
    if (!session.closed_at) openTalk(session);
  } catch { newTalk(); }
}

export function openTalk(session) {
  state.session = session;
  state.mode = session.privacy_mode;
  if (session.memory_profile_id) state.profileId = session.memory_profile_id;
  keepTalk();
  changed();
}

// A new talk is stored only when the first message is sent.
export function newTalk({ profileId = state.profileId, mode = state.mode } = {}) {
  Object.assign(state, { session: null, profileId, mode });
  keepTalk();
  changed();
}

export async function ensureTalk() {
  if (!state.session) {
    state.session = await api.post("/sessions", { memory_profile_id: state.profileId, privacy_mode: state.mode });
    keepTalk();
  }
  return state.session;
}

// Nothing said before crosses into or out of incognito: that begins a new talk.
export async function changeMode(mode) {
  if (mode === state.mode) return;
  if (!state.session || mode === "incognito" || state.mode === "incognito") { newTalk({ mode }); return; }
  state.session = await api.put(`/sessions/${state.session.id}`, { privacy_mode: mode });
  state.mode = mode;
  changed();
}

function keepTalk() {
  localStorage.setItem(TALK, JSON.stringify({ user: state.me?.id, session: state.session?.id }));
}
