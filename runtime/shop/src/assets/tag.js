// The tag of every page: it sends what happens, tells how long the page is really looked at, and shows the voucher.
(() => {
  "use strict";

  const config = document.currentScript.dataset;
  const HEARTBEAT_MS = Number(config.heartbeatMs);
  const MIN_VISIT_MS = Number(config.minVisitMs);
  // Who has not moved, typed or scrolled for this long has left the desk.
  const IDLE_MS = 60_000;
  const TICK_MS = 250;
  const FIRST_RETRY_MS = 500;
  const LONGEST_RETRY_MS = 30_000;
  const MAX_UNSENT = 200;
  const MAX_REQUEST = 50;
  // What browsers let a beacon carry.
  const MAX_BEACON_BYTES = 60_000;
  const MAX_REMEMBERED = 100;

  const pageId = uuid();

  // --- What the browser keeps for this tab ------------------------------------------------------------------------

  const store = {
    get(name, fallback) {
      try {
        return JSON.parse(sessionStorage.getItem(`tributary.${name}`)) ?? fallback;
      } catch {
        return fallback;
      }
    },
    set(name, value) {
      try {
        sessionStorage.setItem(`tributary.${name}`, JSON.stringify(value));
      } catch {
        // Full or forbidden: this page works, the next one begins anew.
      }
    },
  };

  // Somebody else has logged in: nothing of the one before is theirs.
  if (store.get("visitor") !== config.visitor) {
    for (const name of ["cursor", "offer", "shown", "dismissed"]) store.set(name, null);
    store.set("visitor", config.visitor);
  }

  // --- Events -----------------------------------------------------------------------------------------------------

  // Those without an acknowledgement, oldest first; what the page before could not send goes first. The collector
  // knows whose they are by the cookie alone, so those of another visitor are not sent.
  let unsent = store.get("unsent", []).filter((entry) => entry.visitor === config.visitor);
  let sending = false;
  let retryMs = FIRST_RETRY_MS;
  let retryTimer;

  function track(type, fields = {}) {
    const event = { event_id: uuid(), type, page_id: pageId, url: location.href, ts: Date.now(), ...fields };
    if (config.productId) event.product_id = config.productId;
    unsent.push({ visitor: config.visitor, event });
    unsent = unsent.slice(-MAX_UNSENT);
    store.set("unsent", unsent);
    send();
  }

  async function send() {
    if (sending || unsent.length === 0) return;
    sending = true;
    clearTimeout(retryTimer);
    const batch = unsent.slice(0, MAX_REQUEST);
    const answer = await post(batch);
    sending = false;
    if (answer.done) {
      retryMs = FIRST_RETRY_MS;
      unsent = unsent.filter((entry) => !batch.includes(entry));
      store.set("unsent", unsent);
      send();
    } else {
      retryTimer = setTimeout(send, Math.max(retryMs, answer.afterMs));
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    }
  }

  // Whether the events need not be sent again: they are stored, or never will be.
  async function post(batch) {
    try {
      // Plain text needs no preflight.
      const response = await fetch(config.collect, {
        method: "POST",
        credentials: "include",
        headers: { "content-type": "text/plain;charset=UTF-8" },
        body: JSON.stringify(batch.map((entry) => entry.event)),
      });
      const isRefused = [400, 413, 422].includes(response.status);
      return { done: response.ok || isRefused, afterMs: 1000 * Number(response.headers.get("retry-after") ?? 0) };
    } catch {
      return { done: false, afterMs: 0 };
    }
  }

  // A last attempt when the page goes. Nobody hears the answer: the next page sends the same events again, and their
  // ids make the repetition harmless.
  addEventListener("pagehide", () => {
    const events = unsent.map((entry) => entry.event);
    while (events.length > 0) {
      const body = JSON.stringify(events);
      if (body.length <= MAX_BEACON_BYTES) {
        navigator.sendBeacon(config.collect, body);
        break;
      }
      events.shift();
    }
  });
  addEventListener("online", send);

  // --- Engaged time -----------------------------------------------------------------------------------------------

  let engagedMs = 0;
  let nextBeatMs = MIN_VISIT_MS;
  let lastActivity = performance.now();
  let lastTick = performance.now();

  for (const type of ["pointermove", "pointerdown", "keydown", "scroll", "touchstart", "focus"]) {
    addEventListener(type, () => { lastActivity = performance.now(); }, { passive: true, capture: true });
  }

  setInterval(() => {
    const now = performance.now();
    // A timer that was held back, as in a tab behind others, does not make time.
    const passed = Math.min(now - lastTick, 2 * TICK_MS);
    lastTick = now;
    const isLookedAt = document.visibilityState === "visible" && document.hasFocus();
    if (!isLookedAt || now - lastActivity > IDLE_MS) return;
    engagedMs += passed;
    if (engagedMs >= nextBeatMs) {
      // Counted from here, not from when it was due: two beats are never in one period.
      nextBeatMs = engagedMs + HEARTBEAT_MS;
      track("heartbeat", { engaged_ms: Math.round(engagedMs) });
    }
  }, TICK_MS);

  // --- Offers -----------------------------------------------------------------------------------------------------

  let listenRetryMs = FIRST_RETRY_MS;

  function listen() {
    const cursor = store.get("cursor");
    const url = cursor ? `${config.events}?after=${encodeURIComponent(cursor)}` : config.events;
    const source = new EventSource(url, { withCredentials: true });
    source.addEventListener("open", () => { listenRetryMs = FIRST_RETRY_MS; });
    source.addEventListener("offer", (message) => {
      store.set("cursor", message.lastEventId);
      receive(JSON.parse(message.data));
    });
    // Nothing was missed: the next page need not ask for it again.
    source.addEventListener("cursor", (message) => { store.set("cursor", message.lastEventId); });
    source.addEventListener("error", () => {
      // The browser connects again by itself when a stream ends, but not after an answer like 503.
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(listen, listenRetryMs);
      listenRetryMs = Math.min(listenRetryMs * 2, LONGEST_RETRY_MS);
    });
    addEventListener("pagehide", () => source.close());
  }

  function receive(offer) {
    if (isOver(offer) || remembers("dismissed", offer.offer_id)) return;
    store.set("offer", offer);
    show(offer);
  }

  function show(offer) {
    const shown = document.querySelector(".voucher");
    if (shown?.dataset.offerId === offer.offer_id) return;
    shown?.remove();
    document.body.append(voucher(offer));
    if (!remembers("shown", offer.offer_id)) {
      remember("shown", offer.offer_id);
      track("offer_shown", { offer_id: offer.offer_id, offer_product_id: offer.product_id, rule: offer.rule, variant: offer.variant });
    }
  }

  function voucher(offer) {
    const box = element("aside", { class: "voucher", role: "status", "aria-label": "Voucher", "data-offer-id": offer.offer_id });
    const dismiss = element("button", { type: "button" }, "Dismiss");
    dismiss.addEventListener("click", () => {
      box.remove();
      store.set("offer", null);
      remember("dismissed", offer.offer_id);
      track("offer_dismissed", { offer_id: offer.offer_id });
    });
    const code = element("p", {}, "Code: ");
    code.append(element("code", {}, offer.code));
    box.append(element("h2", {}, offer.title), element("p", {}, offer.text), code, dismiss);
    return box;
  }

  function isOver(offer) {
    const end = typeof offer.expires_at === "number" ? offer.expires_at : Date.parse(offer.expires_at);
    return end <= Date.now();
  }

  function remembers(list, id) {
    return (store.get(list) ?? []).includes(id);
  }

  function remember(list, id) {
    store.set(list, [...(store.get(list) ?? []), id].slice(-MAX_REMEMBERED));
  }

  // --- Helpers ----------------------------------------------------------------------------------------------------

  // Text stays text: nothing that is sent becomes markup.
  function element(name, attributes, text) {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value ?? "");
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // crypto.randomUUID is there on HTTPS only.
  function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  // --- This page --------------------------------------------------------------------------------------------------

  track("page_view", { title: document.title, referrer: document.referrer });
  if (config.productId) track("product_view");
  const current = store.get("offer");
  if (current && !isOver(current)) show(current);
  listen();
})();
