// The tag as a plain script: `<script src="tag.min.js" data-collect="…" defer></script>`. What other scripts want before it
// is loaded waits in the array `tributary`, as functions of the tag.
import { start } from "./tag.js";

const { collect, events, productId, key, visitor, route, heartbeatMs, minVisitMs } = document.currentScript.dataset;
const waiting = window.tributary ?? [];
const number = (text) => (text ? +text : undefined);
const tag = start({
  collect,
  events,
  productId,
  key,
  visitor,
  route: route !== "off",
  heartbeatMs: number(heartbeatMs),
  minVisitMs: number(minVisitMs),
  // Of pages that a script shows.
  page() {
    const product_id = document.querySelector('meta[name="tributary:product"]')?.content;
    return product_id && { product_id };
  },
  // The page draws: a listener may set `element` of the event's detail, whose exposure is then observed.
  onOffer(offer, answer) {
    const detail = { offer, ...answer };
    dispatchEvent(new CustomEvent("tributary:offer", { detail }));
    return detail.element;
  },
});
window.tributary = { ...tag, push: (task) => task(tag) };
waiting.forEach((task) => task(tag));
