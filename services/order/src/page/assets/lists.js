// The recent orders, and the stuck ones with what a person can do about them.

import { ask, byId, clock, make, say } from "./dom.js";
import { pill } from "./story.js";

// `itemName` is a function of the item's id.
export function draw({ recent, stuck }, selected, itemName) {
  fill("recent", recent, (order) => line(order, selected, itemName));
  fill("stuck", stuck, (order) => {
    const item = line(order, selected, itemName);
    item.append(actions(order));
    return item;
  });
}

// A line that has not changed stays, and so do the focus and the pressed button in it.
function fill(id, orders, make) {
  const list = byId(id);
  const old = new Map([...list.children].map((item) => [item.dataset.drawn, item]));
  const items = orders.map((order) => {
    const item = make(order);
    const drawn = `${item.dataset.order} ${item.textContent} ${item.dataset.phase} ${item.dataset.selected}`;
    item.dataset.drawn = drawn;
    return old.get(drawn) ?? item;
  });
  const isSame = items.length === list.children.length && items.every((item, index) => item === list.children[index]);
  if (!isSame) {
    const focused = document.activeElement?.closest?.(`#${id} li`)?.dataset.order;
    const kind = document.activeElement?.dataset?.action ?? "open";
    list.replaceChildren(...items);
    if (focused) {
      items.find((item) => item.dataset.order === focused)?.querySelector(`[data-action="${kind}"]`)?.focus();
    }
  }
  byId(`${id}-none`).hidden = orders.length > 0;
}

function line(order, selected, itemName) {
  const isSelected = order.transaction_id === selected;
  const link = make(
    "a",
    { href: `#${order.transaction_id}`, class: "order", "data-action": "open", "aria-current": isSelected ? "true" : null },
    pill(order),
    make("span", { class: "name" }, order.name),
    make("span", { class: "thing" }, `${order.quantity} × ${itemName(order.item)}`),
    make("span", { class: "kind" }, order.style),
    make("time", { datetime: order.created_at }, clock(order.created_at).slice(0, 8)),
  );
  if (order.reason) link.append(make("span", { class: "because" }, order.reason));
  return make("li", { "data-order": order.transaction_id, "data-phase": order.phase, "data-selected": isSelected }, link);
}

function actions(order) {
  const what = `the order of ${order.name}`;
  const late = make("span", { class: "quiet" }, `${order.step}: asked for again ${order.late}×`);
  const retry = make("button", { type: "button", "data-action": "retry", "aria-label": `Retry ${what}` }, "Retry");
  const undo = make("button", { type: "button", "data-action": "compensate", "aria-label": `Compensate ${what}` }, "Compensate");
  if (order.phase === "backward") undo.disabled = true;
  const buttons = [retry, undo];
  for (const button of buttons) {
    button.addEventListener("click", () => act(order, button.dataset.action, buttons));
  }
  return make("div", { class: "actions" }, late, retry, undo);
}

async function act(order, action, buttons) {
  for (const button of buttons) button.disabled = true;
  const path = `/v1/sagas/${encodeURIComponent(order.transaction_id)}/${action}`;
  const { ok, body } = await ask(path, { method: "POST" });
  const done = action === "retry" ? "What is in progress was asked for again." : "The order is being undone.";
  say(byId("stuck-said"), ok ? done : `Not done: ${body.error}.`);
  for (const button of buttons) button.disabled = false;
  location.hash = order.transaction_id;
}
