// Drawn here, so that they look the same whatever fonts there are.

const PATHS = {
  talk: "M4 6.5A2.5 2.5 0 0 1 6.500 4h11A2.500 2.500 0 0 1 20 6.500v7a2.500 2.500 0 0 1-2.500 2.500H11l-5 4v-4a2 2 0 0 1-2-2Z",
  memories: "M12 3v4M12 17v4M3 12h4M17 12h4M6 6l2.500 2.500M15.500 15.500 18 18M18 6l-2.500 2.500M8.500 15.500 6 18",
  profiles: "M12 3 3 8l9 5 9-5ZM3 12.500l9 5 9-5M3 17l9 5 9-5",
  sessions: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  account: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.500 20.500c.8-3.600 3.900-5.500 7.500-5.500s6.700 1.900 7.500 5.500",
  normal: "M12 20.500S3.500 15.500 3.500 9.300A4.600 4.600 0 0 1 12 6.800a4.600 4.600 0 0 1 8.500 2.500c0 6.200-8.500 11.200-8.500 11.200Z",
  pause_memories: "M8.500 5v14M15.500 5v14",
  incognito: "M3 12h18M6 12l1.500-6.500h9L18 12M10 16.500a3 3 0 1 1-6 0 3 3 0 0 1 6 0ZM20 16.500a3 3 0 1 1-6 0 3 3 0 0 1 6 0ZM10 16.500c1-.8 3-.8 4 0",
  plus: "M12 5v14M5 12h14",
  send: "M12 19V5M6 11l6-6 6 6",
};
const SVG = "http://www.w3.org/2000/svg";

export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "2",
    "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true", class: "icon" };
  for (const [key, value] of Object.entries(attributes)) drawing.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  drawing.append(path);
  return drawing;
}
