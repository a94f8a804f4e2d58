// The tag of a page: it sends what happens, tells how long the page is really looked at, and receives offers.

const IDLE_MS = 60_000; // Who has not moved, typed or scrolled for this long has left the desk.
const TICK_MS = 250;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;
const MAX_UNSENT = 200;
const MAX_REQUEST = 50;
const MAX_BEACON_CHARS = 20_000; // Browsers let a beacon carry 64 KiB, and a character has three bytes at most.
const MAX_REMEMBERED = 100;

/**
 * Starts the tag. Call it once in a document.
 * @param {import("../index").Options} options
 * @returns {import("../index").Tag}
 */
export function start(options) {
  const { heartbeatMs = 10_000, minVisitMs = 5_000, visitor = "", route = true } = options;
  const key = options.key ? `?key=${encodeURIComponent(options.key)}` : "";
  const collect = options.collect + key;

  // --- What the browser keeps for this tab ---

  const read = (name) => {
    try {
      return JSON.parse(sessionStorage.getItem(`tributary.${name}`));
    } catch {
      return null;
    }
  };
  const write = (name, value) => {
    try {
      sessionStorage.setItem(`tributary.${name}`, JSON.stringify(value));
    } catch {
      // Full or forbidden: this page works, the next one begins anew.
    }
  };

  // Somebody else has logged in: nothing of the one before is theirs, nor can it be sent for them.
  if (read("visitor") !== visitor) {
    for (const name of ["cursor", "shown", "unsent"]) write(name, null);
    write("visitor", visitor);
  }

  // --- Events ---

  // Those without an acknowledgement, oldest first; what the page before could not send goes first.
  let unsent = read("unsent") ?? [];
  let sending = false;
  let retryMs = FIRST_RETRY_MS;
  let retryTimer;
  let page = {};

  const keep = (events) => write("unsent", unsent = events.slice(-MAX_UNSENT));

  const track = (type, fields) => {
    keep([...unsent, { event_id: uuid(), type, url: location.href, ts: Date.now(), ...page, ...fields }]);
    send();
  };

  const body = (batch) => JSON.stringify({ batch, sent_at: Date.now() });

  const send = async () => {
    if (sending || !unsent.length) return;
    sending = true;
    clearTimeout(retryTimer);
    const batch = unsent.slice(0, MAX_REQUEST);
    let done = false;
    let afterMs = 0;
    try {
      // A text is sent as text/plain, which needs no preflight.
      const { ok, status, headers } = await fetch(collect, { method: "POST", credentials: "include", body: body(batch) });
      // Refused for good is as good as stored: it would be refused again.
      done = ok || [400, 413, 422].includes(status);
      afterMs = 1000 * headers.get("retry-after");
    } catch {
      // No network.
    }
    sending = false;
    if (done) {
      retryMs = FIRST_RETRY_MS;
      keep(unsent.filter((event) => !batch.includes(event)));
      send();
    } else {
      retryTimer = setTimeout(send, Math.max(retryMs, afterMs));
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    }
  };

  // A last attempt when the page goes. Nobody hears the answer: the next page sends the same events again, and their ids
  // make the repetition harmless.
  const leave = () => {
    for (let events = unsent; events.length; events = events.slice(1)) {
      const text = body(events);
      if (text.length <= MAX_BEACON_CHARS) return navigator.sendBeacon(collect, text);
    }
  };
  addEventListener("pagehide", leave);
  // The last event that a phone is sure to give.
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && leave());
  addEventListener("online", send);

  // --- Pages, also those that a script shows without loading a document ---

  let engagedMs;
  let nextBeatMs;
  let address;

  const view = (fields = options.page?.()) => {
    const referrer = address ?? document.referrer;
    address = location.href;
    engagedMs = 0;
    nextBeatMs = minVisitMs;
    page = { page_id: uuid(), ...fields };
    track("page_view", { title: document.title, referrer });
    if (page.product_id) track("product_view");
  };

  const routed = () => location.href.split("#")[0] !== address.split("#")[0] && view();

  if (route) {
    for (const name of ["pushState", "replaceState"]) {
      const original = history[name];
      history[name] = function () {
        original.apply(this, arguments);
        // The page has its new title when the script that changes it is through.
        setTimeout(routed);
      };
    }
    addEventListener("popstate", () => setTimeout(routed));
  }

  // --- Engaged time ---

  let lastActivity = performance.now();
  let lastTick = lastActivity;

  for (const type of ["pointermove", "pointerdown", "keydown", "scroll", "touchstart", "focus"]) {
    addEventListener(type, () => { lastActivity = performance.now(); }, { passive: true, capture: true });
  }

  setInterval(() => {
    const now = performance.now();
    // A timer that was held back, as in a tab behind others, does not make time.
    const passed = Math.min(now - lastTick, 2 * TICK_MS);
    lastTick = now;
    if (document.visibilityState !== "visible" || !document.hasFocus() || now - lastActivity > IDLE_MS) return;
    engagedMs += passed;
    if (engagedMs >= nextBeatMs) {
      // Counted from here, not from when it was due: two beats are never in one period.
      nextBeatMs = engagedMs + heartbeatMs;
      track("heartbeat", { engaged_ms: Math.round(engagedMs) });
    }
  }, TICK_MS);

  // --- Offers ---

  let source;
  let listenRetryMs = FIRST_RETRY_MS;

  const listen = () => {
    const cursor = read("cursor");
    const after = cursor ? `?after=${encodeURIComponent(cursor)}` : "";
    source = new EventSource(options.events + after, { withCredentials: true });
    const remember = (message) => write("cursor", message.lastEventId);
    source.onopen = () => { listenRetryMs = FIRST_RETRY_MS; };
    source.addEventListener("offer", (message) => {
      remember(message);
      receive(JSON.parse(message.data));
    });
    // Nothing was missed: the next page need not ask for it again.
    source.addEventListener("cursor", remember);
    source.onerror = () => {
      // The browser connects again by itself when a stream ends, but not after an answer like 503.
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(listen, listenRetryMs);
      listenRetryMs = Math.min(listenRetryMs * 2, LONGEST_RETRY_MS);
    };
  };

  const receive = (offer) => {
    const { offer_id, product_id: offer_product_id, rule, variant } = offer;
    const tell = (type) => track(type, { offer_id, offer_product_id, rule, variant });
    const shown = () => {
      const ids = read("shown") ?? [];
      if (ids.includes(offer_id)) return;
      write("shown", [...ids, offer_id].slice(-MAX_REMEMBERED));
      tell("offer_shown");
    };
    const element = options.onOffer(offer, {
      shown,
      clicked: () => tell("offer_clicked"),
      dismissed: () => tell("offer_dismissed"),
    });
    // Exposed is what was really in view, not what was received.
    if (element instanceof Element) {
      new IntersectionObserver((entries, observer) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        observer.disconnect();
        shown();
      }, { threshold: 0.5 }).observe(element);
    }
  };

  view(options.productId ? { product_id: options.productId } : undefined);
  if (options.events && options.onOffer) {
    listen();
    addEventListener("pagehide", () => source.close());
    // It comes back from the browser's cache of pages.
    addEventListener("pageshow", (event) => event.persisted && listen());
  }
  return { track, view };
}

// crypto.randomUUID is there on HTTPS only.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  let text = "";
  bytes.forEach((byte, at) => {
    text += ([4, 6, 8, 10].includes(at) ? "-" : "") + (byte + 256).toString(16).slice(1);
  });
  return text;
}
