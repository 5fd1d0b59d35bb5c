// Elements from texts, and texts from numbers and times. Whatever comes from the server becomes the text
// of an element, never markup.

export const byId = (id) => document.getElementById(id);

// make("p", { class: "quiet" }, "text", child, …)
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Says it only if it is new: what is announced must not be announced again.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function problem(element, text) {
  say(element, text ?? "");
  element.hidden = !text;
}

const numbers = new Intl.NumberFormat("en");
export const amount = (number) => numbers.format(number);

export function clock(iso) {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "";
  const two = (number) => String(number).padStart(2, "0");
  const seconds = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return `${seconds}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

export function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60_000)} min ${Math.round((milliseconds % 60_000) / 1000)} s`;
}

// What a request has come to: { ok, status, body }. No answer, or none in JSON, is status 0.
export async function ask(path, options = {}) {
  try {
    const answer = await fetch(path, { cache: "no-store", ...options });
    return { ok: answer.ok, status: answer.status, body: await answer.json() };
  } catch {
    return { ok: false, status: 0, body: { error: "the order service does not answer" } };
  }
}
