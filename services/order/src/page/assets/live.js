// Server-sent events that go on by themselves. Browsers try again after a cut, with the id of the last
// event, but not after an answer that is no stream, such as a proxy's 502: then we do.
//
// Hidden pages hold no connection: a browser has but six per server, for all its tabs together.

const AGAIN_MS = 1000;
const open = new Set();
let say = () => {};

// `listener` hears "live", "waiting" or "lost".
export function onState(listener) {
  say = listener;
}

function tellState() {
  const states = [...open].map((stream) => stream.state);
  say(states.includes("lost") ? "lost" : states.includes("waiting") ? "waiting" : "live");
}

// `events`: name → what is done with its data. Answers a function that ends it.
export function follow(path, events) {
  const stream = { state: "waiting", source: null, timer: 0 };

  const start = () => {
    clearTimeout(stream.timer);
    stream.source?.close();
    stream.source = new EventSource(path);
    stream.source.onopen = () => set("live");
    stream.source.onerror = () => {
      set("lost");
      if (stream.source.readyState === EventSource.CLOSED) stream.timer = setTimeout(start, AGAIN_MS);
    };
    for (const [name, listener] of Object.entries(events)) {
      stream.source.addEventListener(name, (event) => listener(JSON.parse(event.data)));
    }
  };
  const set = (state) => {
    stream.state = state;
    tellState();
  };
  stream.pause = () => {
    clearTimeout(stream.timer);
    stream.source?.close();
  };
  stream.start = start;

  open.add(stream);
  if (!document.hidden) start();
  return () => {
    stream.pause();
    open.delete(stream);
    tellState();
  };
}

document.addEventListener("visibilitychange", () => {
  for (const stream of open) {
    if (document.hidden) stream.pause();
    else stream.start();
  }
});
