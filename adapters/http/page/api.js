// The only way to the server: the public API, with tokens that renew themselves.

const BASE = "/api/v1";
const STORE = "memorychat.tokens";

export class ApiError extends Error {
  constructor(status, detail, code) { super(detail); this.status = status; this.code = code; }
}

let signedOut = () => {};
export const onSignedOut = (callback) => { signedOut = callback; };

const tokens = () => JSON.parse(localStorage.getItem(STORE) || "null");
const keep = (answer) => localStorage.setItem(STORE, JSON.stringify(
  { access: answer.access_token, refresh: answer.refresh_token }));
export const isSignedIn = () => tokens() !== null;
export const forgetTokens = () => localStorage.removeItem(STORE);

async function failure(answer) {
  const body = await answer.json().catch(() => ({}));
  const wait = answer.headers.get("Retry-After");
  const again = answer.status === 429 && wait ? ` (in ${wait} s)` : "";
  return new ApiError(answer.status, (body.detail || "The server did not answer as expected.") + again, body.code || "");
}

async function raw(method, path, body, { auth = true, signal, keepalive } = {}) {
  const headers = {};
  if (auth && tokens()) headers.Authorization = `Bearer ${tokens().access}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(BASE + path, {
      method, headers, signal, keepalive, credentials: "omit", cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server cannot be reached just now.", "offline");
  }
}

// One tab renews, the others wait and take what it got: a refresh token works once.
async function renew(stale) {
  const work = async () => {
    const current = tokens();
    if (!current) return false;
    if (current.access !== stale) return true;
    const answer = await raw("POST", "/auth/refresh", { refresh_token: current.refresh }, { auth: false });
    if (answer.ok) { keep(await answer.json()); return true; }
    if (answer.status === 401) forgetTokens();
    return false;
  };
  return navigator.locks ? navigator.locks.request("memorychat.renew", work) : work();
}

async function send(method, path, body, options = {}) {
  const used = tokens()?.access;
  let answer = await raw(method, path, body, options);
  if (answer.status === 401 && used && options.auth !== false) {
    if (await renew(used)) answer = await raw(method, path, body, options);
    else if (!tokens()) signedOut();
  }
  if (!answer.ok) throw await failure(answer);
  return answer;
}

async function call(method, path, body, options) {
  const answer = await send(method, path, body, options);
  return answer.status === 204 ? null : answer.json();
}

export const api = {
  get: (path) => call("GET", path),
  post: (path, body) => call("POST", path, body),
  put: (path, body) => call("PUT", path, body),
  patch: (path, body) => call("PATCH", path, body),
  delete: (path, body, options) => call("DELETE", path, body, options),

  async enter(path, email, password) {
    const answer = await call("POST", path, { email, password }, { auth: false });
    keep(answer);
    return answer.user;
  },

  async leave() {
    try { await call("POST", "/auth/logout"); } finally { forgetTokens(); }
  },

  async download(path, name) {
    const blob = await (await send("GET", path)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  },

  // Calls `onChunk` with each event of a streamed answer.
  async stream(path, body, { signal, onChunk }) {
    const answer = await send("POST", path, body, { signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const data = block.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
        if (data) onChunk(JSON.parse(data));
      }
    }
  },
};
