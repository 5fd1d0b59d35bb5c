// An order as the customer types it. What is wrong with it only the server says, at the field it names.

import { amount, ask, byId, make, problem } from "./dom.js";

const form = byId("form");
const fields = [...form.querySelectorAll("[data-field]")];
let items = new Map();

export const itemName = (id) => items.get(id)?.name ?? `item ${id}`;

// `onPlaced` gets the order's id.
export function begin(hasInventory, onPlaced) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await place(onPlaced);
  });
  form.addEventListener("input", (event) => {
    const field = event.target.closest("[data-field]");
    if (field) mark(field, null);
    showTotal();
  });
  if (!hasInventory) {
    const input = make("input", { name: "chosen", inputmode: "numeric", value: "1", "aria-label": "Item number", autocomplete: "off" });
    const why = make("p", { class: "quiet" }, "Stock is not configured: the order service has no SHOP_INVENTORY_URL.");
    byId("items").replaceChildren(input, why);
  }
}

export async function refreshStock() {
  const { ok, body } = await ask("/page/inventory");
  if (!ok || !Array.isArray(body)) {
    if (items.size === 0) byId("items").replaceChildren(make("p", { class: "problem" }, `${body.error}.`));
    return;
  }
  items = new Map(body.map((item) => [item.id, item]));
  drawItems(body);
  showTotal();
}

// A choice that is there is kept, and with it the focus.
function drawItems(list) {
  const box = byId("items");
  if (!box.querySelector("input")) box.replaceChildren();
  for (const item of list) {
    const known = box.querySelector(`[data-item="${Number(item.id)}"]`);
    const stock = item.quantity > 0 ? `${amount(item.quantity)} left` : "out of stock";
    if (known) {
      const left = known.querySelector(".left");
      if (left.textContent !== stock) {
        left.textContent = stock;
        known.classList.remove("moved");
        // The animation begins anew only after a layout.
        void known.offsetWidth;
        known.classList.add("moved");
      }
      continue;
    }
    const input = make("input", { type: "radio", name: "chosen", value: item.id });
    input.checked = !box.querySelector("input");
    const left = make("span", { class: "left" }, stock);
    box.append(make("label", { class: "item", "data-item": item.id }, input, make("span", { class: "name" }, item.name), make("span", { class: "price" }, amount(item.price)), left));
  }
}

// As typed: what is no number is for the server to refuse.
function number(text) {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : trimmed;
}

function showTotal() {
  const item = items.get(Number(form.elements.chosen?.value));
  const quantity = number(byId("inventory.quantity").value);
  const isKnown = item && Number.isInteger(quantity) && quantity > 0;
  byId("total").value = isKnown ? amount(item.price * quantity) : "–";
}

function body() {
  const order = {};
  for (const field of fields) {
    const [object, name] = field.id.split(".");
    if (object === "order") order[name] = field.value;
  }
  const inventory = { id: number(form.elements.chosen?.value ?? ""), quantity: number(byId("inventory.quantity").value) };
  return { order, inventory };
}

async function place(onPlaced) {
  const button = byId("place");
  if (button.disabled) return;
  button.disabled = true;
  for (const field of fields) mark(field, null);
  problem(byId("form-problem"), null);
  const { ok, body: answer } = await ask("/v1/order", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body()),
  });
  button.disabled = false;
  if (ok) {
    onPlaced(answer.transaction_id);
    return;
  }
  const wrong = fields.find((field) => field.id === answer.field);
  if (wrong) {
    mark(wrong, sentence(answer.error, answer.field));
    (wrong.querySelector("input:checked, input") ?? wrong).focus();
  } else {
    problem(byId("form-problem"), `The order was not taken: ${answer.error}.`);
  }
}

// Beside its field, the path of the field says nothing.
function sentence(error, field) {
  const text = error.startsWith(`${field} `) ? error.slice(field.length + 1) : error;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function mark(field, text) {
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  problem(byId(`${field.id}-problem`), text);
}
