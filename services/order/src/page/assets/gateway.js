// What the payment gateway does with the next payments.

import { amount, ask, byId, duration, problem, say } from "./dom.js";

const form = byId("gateway");
let isConfigured = false;

export function begin(hasGateway) {
  isConfigured = hasGateway;
  byId("gateway-choices").disabled = !hasGateway;
  if (!hasGateway) {
    say(byId("gateway-now"), "Not configured: the order service has no SHOP_GATEWAY_URL.");
    return;
  }
  form.addEventListener("change", (event) => {
    // A number that is set means that its line is wanted.
    const line = event.target.closest("label").querySelector('[type="radio"]');
    line.checked = true;
    set(wanted(line.value));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  refresh();
}

export async function refresh() {
  if (!isConfigured || form.contains(document.activeElement)) return;
  const { ok, body } = await ask("/page/gateway");
  if (ok) show(body);
  else problem(byId("gateway-problem"), `${body.error}.`);
}

function wanted(choice) {
  const number = (id) => Math.max(0, Math.trunc(Number(byId(id).value)) || 0);
  switch (choice) {
    case "refuse":
      return { refuse_above: number("refuse_above") };
    case "slow":
      return { delay_ms: number("delay_ms") };
    case "down":
      return { is_down: true };
    default:
      return {};
  }
}

async function set(behaviour) {
  const { ok, body } = await ask("/page/gateway", {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(behaviour),
  });
  if (ok) show(body);
  else problem(byId("gateway-problem"), `Not set: ${body.error}.`);
}

function show(now) {
  problem(byId("gateway-problem"), null);
  const rules = [];
  let choice = "behave";
  if (now.refuse_above !== null) {
    choice = "refuse";
    rules.push(`refuses amounts above ${amount(now.refuse_above)}`);
    byId("refuse_above").value = now.refuse_above;
  }
  if (now.refuse_name) rules.push(`refuses the name “${now.refuse_name}”`);
  if (now.refuse_email) rules.push(`refuses the address “${now.refuse_email}”`);
  if (now.delay_ms > 0) {
    choice = "slow";
    rules.push(`answers after ${duration(now.delay_ms)}`);
    byId("delay_ms").value = now.delay_ms;
  }
  if (now.is_down) {
    choice = "down";
    rules.push("is down");
  }
  for (const [count, what] of [[now.errors, "answered with an error"], [now.lost_answers, "done and answered with an error"], [now.timeouts, "done and never answered"]]) {
    if (count > 0) rules.push(`${count} more requests are ${what}`);
  }
  form.elements.gateway.value = choice;
  say(byId("gateway-now"), rules.length > 0 ? `Now it ${rules.join(", ")}.` : "Now it accepts every payment.");
}
