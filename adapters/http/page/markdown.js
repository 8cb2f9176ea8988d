// Markdown to elements. Every piece of text goes in as text, every link is checked: nothing of a reply can be markup.

import { h, toast } from "./dom.js";

const INLINE = [
  [/^`+/, code],
  [/^\*\*(?=\S)([^]*?\S)\*\*/, (m) => h("strong", {}, inline(m[1]))],
  [/^~~(?=\S)([^]*?\S)~~/, (m) => h("s", {}, inline(m[1]))],
  [/^\*(?=[^\s*])([^*]*?[^\s*])\*(?!\*)/, (m) => h("em", {}, inline(m[1]))],
  [/^_(?=[^\s_])([^_]*?[^\s_])_(?!\w)/, (m, before) => /\w$/.test(before) ? null : h("em", {}, inline(m[1]))],
  [/^\[([^\]\n]{1,500})\]\(([^)\s]{1,2000})\)/, (m) => link(m[2], inline(m[1]))],
  [/^https?:\/\/[^\s<>"'`)\]]{3,2000}/, (m) => link(m[0].replace(/[.,;:!?]+$/, ""), null)],
];

function code(match, _before, text) {
  const fence = match[0];
  const end = text.indexOf(fence, fence.length);
  return end < 0 ? null : [h("code", {}, text.slice(fence.length, end).trim()), end + fence.length];
}

function link(address, children) {
  let url;
  try { url = new URL(address); } catch { return null; }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return null;
  const shown = children ?? address;
  const made = h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow" }, shown);
  return children === null ? [made, address.length] : made;
}

function inline(text) {
  const parts = [];
  let plain = "";
  const flush = () => { if (plain) parts.push(plain); plain = ""; };
  for (let at = 0; at < text.length;) {
    if (text[at] === "\\" && /[\\`*_~[\]()#>+.!|-]/.test(text[at + 1] || "")) { plain += text[at + 1]; at += 2; continue; }
    if (text[at] === "\n") { flush(); parts.push(h("br")); at += 1; continue; }
    const rest = text.slice(at);
    let made = null, length = 0;
    if (/[`*_~[h]/.test(rest[0])) {
      for (const [pattern, build] of INLINE) {
        const match = pattern.exec(rest);
        if (!match) continue;
        const result = build(match, text.slice(0, at), rest);
        if (!result) continue;
        [made, length] = Array.isArray(result) ? result : [result, match[0].length];
        break;
      }
    }
    if (made) { flush(); parts.push(made); at += length; } else { plain += text[at]; at += 1; }
  }
  flush();
  return parts;
}

function codeBlock(language, lines) {
  const text = lines.join("\n");
  const copy = h("button", { type: "button", class: "copy", onclick: async () => {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } }, "Copy");
  return h("figure", { class: "code" }, h("figcaption", {}, h("span", {}, language || "code"), copy),
    h("pre", { tabIndex: 0 }, h("code", {}, text)));
}

const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;

function list(lines) {
  const first = ITEM.exec(lines[0]);
  const indent = first[1].length;
  const ordered = /\d/.test(first[2]);
  const items = [];
  for (const line of lines) {
    const match = ITEM.exec(line);
    if (match && match[1].length <= indent) items.push([match[3]]);
    else items.at(-1).push(line.slice(Math.min(indent + 2, line.length - line.trimStart().length)));
  }
  return h(ordered ? "ol" : "ul", ordered ? { start: parseInt(first[2], 10) } : {}, items.map(([head, ...more]) =>
    h("li", {}, inline(head), more.length ? blocks(more) : [])));
}

function table(lines) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  return h("div", { class: "table", tabIndex: 0 }, h("table", {},
    h("thead", {}, h("tr", {}, cells(lines[0]).map((cell) => h("th", { scope: "col" }, inline(cell))))),
    h("tbody", {}, lines.slice(2).map((line) => h("tr", {}, cells(line).map((cell) => h("td", {}, inline(cell))))))));
}

const isRow = (line) => line !== undefined && /^\s*\|.*\|\s*$/.test(line);
const isRule = (line) => line !== undefined && /^\s*\|?[\s:|-]+\|\s*$/.test(line) && line.includes("-");

function take(lines, at, test) {
  let end = at;
  while (end < lines.length && test(lines[end], end)) end += 1;
  return end;
}

function blocks(lines) {
  const made = [];
  for (let at = 0; at < lines.length;) {
    const line = lines[at];
    const fence = /^\s*(```+|~~~+)\s*([\w+#.-]*)/.exec(line);
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    let end = at + 1;
    if (!line.trim()) { at = end; continue; }
    if (fence) {
      end = take(lines, at + 1, (item) => !item.trim().startsWith(fence[1]));
      made.push(codeBlock(fence[2], lines.slice(at + 1, end)));
      end += 1;
    } else if (heading) {
      made.push(h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2])));
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      made.push(h("hr"));
    } else if (/^\s*>/.test(line)) {
      end = take(lines, at, (item) => /^\s*>/.test(item));
      made.push(h("blockquote", {}, blocks(lines.slice(at, end).map((item) => item.replace(/^\s*>\s?/, "")))));
    } else if (ITEM.test(line)) {
      end = take(lines, at, (item, index) => ITEM.test(item) || (index > at && /^\s+\S/.test(item)));
      made.push(list(lines.slice(at, end)));
    } else if (isRow(line) && isRule(lines[at + 1])) {
      end = take(lines, at, isRow);
      made.push(table(lines.slice(at, end)));
    } else {
      end = take(lines, at, (item, index) => item.trim() && (index === at ||
        !(/^\s*(```|~~~|>|#{1,6}\s)/.test(item) || ITEM.test(item))));
      made.push(h("p", {}, inline(lines.slice(at, end).map((item) => item.trim()).join("\n"))));
    }
    at = end;
  }
  return made;
}

export function markdown(text) {
  return blocks(text.split("\n"));
}
