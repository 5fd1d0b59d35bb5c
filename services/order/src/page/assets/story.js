// One order: its steps as they arrive, and where it stands.

import { amount, byId, clock, duration, make, say } from "./dom.js";
import { follow } from "./live.js";

const SERVICES = { order: "Order service", inventory: "Inventory", payment: "Payment" };

// "topic status" → [what has happened, kind]. Kinds: forward, refused, back (compensation), end.
const MEANING = {
  "inventory ORDER_CREATED": ["Order taken", "forward"],
  "payment INVENTORY_RESERVED": ["Stock reserved", "forward"],
  "order PAYMENT_COMPLETE": ["Payment charged", "end"],
  "inventory ORDER_CANCEL": ["Payment refused", "refused"],
  "order ORDER_CANCEL": ["Stock given back", "back"],
  "payment ORDER_CANCEL": ["Order given up: payment to be given back", "back"],
  "shop.inventory.commands RESERVE_INVENTORY": ["Reserve the stock", "forward"],
  "shop.order.replies INVENTORY_RESERVED": ["Stock reserved", "forward"],
  "shop.order.replies INVENTORY_REFUSED": ["Out of stock", "refused"],
  "shop.payment.commands CHARGE_PAYMENT": ["Charge the payment", "forward"],
  "shop.order.replies PAYMENT_COMPLETE": ["Payment charged", "end"],
  "shop.order.replies PAYMENT_REFUSED": ["Payment refused", "refused"],
  "shop.payment.commands REFUND_PAYMENT": ["Give the payment back", "back"],
  "shop.order.replies PAYMENT_REFUNDED": ["Nothing is charged", "back"],
  "shop.inventory.commands RELEASE_INVENTORY": ["Give the stock back", "back"],
  "shop.order.replies INVENTORY_RELEASED": ["Stock given back", "back"],
};

const MARKS = {
  forward: ["→", null],
  end: ["✓", null],
  refused: ["✕", "refused"],
  back: ["↩", "compensation"],
};

export const STATES = {
  forward: ["…", "on its way"],
  backward: ["↩", "being undone"],
  complete: ["✓", "complete"],
  cancelled: ["✕", "cancelled"],
};

export function pill(order) {
  const [mark, text] = STATES[order.phase] ?? ["?", order.phase];
  const glyph = make("span", { "aria-hidden": "true" }, mark);
  return make("span", { class: "pill", "data-phase": order.phase }, glyph, ` ${text}`);
}

let stop = () => {};
let shown = null;

// Shows this order from now on; `itemName` is a function of the item's id.
export function show(transactionId, itemName) {
  if (shown?.id === transactionId) return;
  stop();
  shown = { id: transactionId, steps: new Map(), order: null, itemName };
  byId("story-body").replaceChildren(...frame());
  const mine = shown;
  stop = follow(`/v1/order/${encodeURIComponent(transactionId)}/events/stream`, {
    step: (step) => {
      mine.steps.set(step.event_id, step);
      draw();
    },
    order: (order) => {
      mine.order = order;
      draw();
    },
    end: () => stop(),
  });
}

export function redraw() {
  if (shown?.order) draw();
}

function frame() {
  return [
    make("div", { id: "story-head", class: "story-head" }, make("p", { class: "quiet" }, "Loading…")),
    make("p", { id: "story-reason", class: "reason", hidden: "" }),
    make("ol", { id: "steps", class: "steps", role: "log", "aria-label": "Steps" }),
    make("p", { id: "story-state", class: "state", role: "status" }),
  ];
}

function draw() {
  const steps = inOrder([...shown.steps.values()]);
  const { order } = shown;
  if (order) drawHead(order, steps);
  const list = byId("steps");
  steps.forEach((step, index) => {
    const drawn = list.children[index];
    // What is there stays: screen readers read only what is new.
    if (drawn?.dataset.event === step.event_id) return;
    const item = row(step, steps[index - 1], steps.slice(0, index));
    const old = [...list.children].find((child) => child.dataset.event === step.event_id);
    old?.remove();
    list.insertBefore(item, list.children[index] ?? null);
  });
  say(byId("story-state"), state(order, steps));
}

function drawHead(order, steps) {
  const head = byId("story-head");
  const first = steps[0]?.at;
  const last = steps.at(-1)?.at;
  const took = first && last ? duration(new Date(last) - new Date(first)) : "–";
  const facts = [
    ["Customer", order.name],
    ["Item", `${order.quantity} × ${shown.itemName(order.item)}`],
    ["Price", order.total_price === null ? "–" : amount(order.total_price)],
    ["Saga", order.style],
    [order.phase === "complete" || order.phase === "cancelled" ? "Took" : "So far", took],
  ];
  const id = make("code", { class: "id" }, order.transaction_id);
  const list = make("dl", { class: "facts" });
  for (const [name, value] of facts) {
    list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  }
  head.dataset.phase = order.phase;
  head.dataset.style = order.style;
  head.replaceChildren(make("p", { class: "headline" }, pill(order), id), list);
  const reason = byId("story-reason");
  reason.hidden = !order.reason;
  if (order.reason) {
    reason.replaceChildren(make("strong", {}, "Why: "), order.reason);
  }
}

function row(step, before, earlier) {
  const [title, kind] = meaning(step, earlier);
  const [mark, word] = MARKS[kind];
  const heading = make("p", { class: "what" }, make("span", { class: "title" }, title));
  if (word) heading.append(make("span", { class: "tag" }, word));
  const who = make("span", { class: "who", "data-by": step.by }, SERVICES[step.by] ?? step.by);
  const says = make("p", { class: "says" }, who, " says ", make("code", {}, step.status), " on ", make("code", {}, step.topic));
  const since = before?.at && step.at ? `+${duration(new Date(step.at) - new Date(before.at))}` : "";
  const time = make("p", { class: "when" }, make("time", { datetime: step.at ?? "" }, clock(step.at)), make("span", { class: "since" }, since));
  const reason = kind === "refused" && step.message?.reason;
  return make(
    "li",
    { "data-event": step.event_id, "data-kind": kind, "data-status": step.status },
    make("span", { class: "mark", "aria-hidden": "true" }, mark),
    make("div", { class: "body" }, heading, says, reason ? make("p", { class: "why" }, reason) : null),
    time,
  );
}

function meaning(step, earlier) {
  const known = MEANING[`${step.topic} ${step.status}`];
  if (!known) return [step.status, "forward"];
  const has = (status) => earlier.some((other) => other.status === status);
  // The choreography says ORDER_CANCEL for much.
  if (step.topic === "order" && step.status === "ORDER_CANCEL" && !has("INVENTORY_RESERVED")) {
    return has("ORDER_CANCEL") ? ["Nothing to give back", "back"] : ["Out of stock", "refused"];
  }
  if (step.topic === "inventory" && step.status === "ORDER_CANCEL") {
    const isGivenUp = earlier.some((other) => other.topic === "payment" && other.status === "ORDER_CANCEL");
    if (isGivenUp) return ["Nothing is charged", "back"];
  }
  const isRepeated = earlier.some((other) => other.topic === step.topic && other.status === step.status);
  if (!isRepeated) return known;
  return [step.by === "order" ? "Asked for again" : `${known[0]}, told again`, known[1]];
}

function state(order, steps) {
  if (!order) return "";
  const total = order.total_price === null ? "" : ` ${amount(order.total_price)} is charged.`;
  switch (order.phase) {
    case "complete":
      return `The order is complete.${total}`;
    case "cancelled":
      return "The order is cancelled; nothing is charged, and no stock is held.";
    case "backward":
      return `Being undone: ${order.step}…`;
    default: {
      const late = order.late > 0 ? `, late: asked for again ${order.late}×` : "";
      return steps.length === 0 ? "Waiting for the first step…" : `In progress: ${order.step}${late}…`;
    }
  }
}

// By time, but never an event before its cause: two services may commit within one millisecond.
function inOrder(steps) {
  const rest = steps.sort((one, other) => (one.at ?? "").localeCompare(other.at ?? ""));
  const ordered = [];
  while (rest.length > 0) {
    const waiting = new Set(rest.map((step) => step.event_id));
    const next = rest.findIndex((step) => !waiting.has(step.caused_by));
    ordered.push(...rest.splice(Math.max(next, 0), 1));
  }
  return ordered;
}
