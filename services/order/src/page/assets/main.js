// The page: settings once, the overview as a stream, one order as another.

import { ask, byId, say } from "./dom.js";
import * as form from "./form.js";
import * as gateway from "./gateway.js";
import * as lists from "./lists.js";
import { follow, onState } from "./live.js";
import * as story from "./story.js";

const STOCK_PAUSE_MS = 300;
const AGAIN_MS = 1000;
const CONNECTION = { live: "live", waiting: "connecting…", lost: "connection lost, trying again…" };
const STYLE = {
  choreography: "New orders go by choreography: each service tells the next.",
  orchestration: "New orders go by orchestration: the order service tells each what to do.",
};

let overview = { recent: [], stuck: [] };

// From the address, so that an order can be linked to and the way back works.
const selected = () => (/^#[0-9a-f-]{36}$/.test(location.hash) ? location.hash.slice(1) : null);

function draw() {
  lists.draw(overview, selected(), form.itemName);
}

function select() {
  const id = selected();
  if (id) story.show(id, form.itemName);
  draw();
}

// Stock and gateway move with orders: one look for a flock of changes.
let timer = 0;
function lookElsewhere(hasInventory) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    gateway.refresh();
    if (!hasInventory) return;
    await form.refreshStock();
    draw();
    story.redraw();
  }, STOCK_PAUSE_MS);
}

async function settings() {
  for (;;) {
    const { ok, body } = await ask("/page/settings");
    if (ok) return body;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

onState((state) => {
  const line = byId("connection");
  line.dataset.state = state;
  say(line, CONNECTION[state]);
});

const { style, has_inventory: hasInventory, has_gateway: hasGateway } = await settings();
say(byId("style"), STYLE[style] ?? style);
form.begin(hasInventory, (id) => {
  location.hash = id;
  const box = byId("story");
  // Beside the form on a wide screen it is seen already.
  if (box.getBoundingClientRect().top > innerHeight * 0.6) box.scrollIntoView({ block: "start" });
});
gateway.begin(hasGateway);
if (hasInventory) await form.refreshStock();
follow("/page/orders/stream", {
  orders: (now) => {
    overview = now;
    draw();
    lookElsewhere(hasInventory);
  },
});
addEventListener("hashchange", select);
select();
