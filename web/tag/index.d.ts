/** What a tag is started with. */
export interface Options {
  /** The address of the collector, such as `https://events.shop.example.com/collect`. */
  collect: string;
  /** The address of server-sent offers. Without it none are received. */
  events?: string;
  /** The product of the first page. */
  productId?: string;
  /** The fields of a page that a script shows, such as `product_id`; asked at each page view without fields of its own. */
  page?(): Record<string, unknown> | undefined;
  /** An API key, if the collector asks for one. It is no secret. */
  key?: string;
  /** Changes when somebody else logs in: what was kept for the one before is then dropped. */
  visitor?: string;
  /** Whether a page that a script shows (`history.pushState`) is a page view of its own; true if not given. */
  route?: boolean;
  /** The time between two heartbeats; 10,000 if not given. */
  heartbeatMs?: number;
  /** The engaged time of a page before its first heartbeat; 5,000 if not given. */
  minVisitMs?: number;
  /** Draws an offer. Returns the element that holds it, whose exposure is then reported once half of it is in view; or nothing, and calls `shown` itself. */
  onOffer?(offer: Offer, answer: Answer): Element | void;
}

/** An offer as the delivery sink sends it, with the fields that the tag uses. */
export interface Offer {
  offer_id: string;
  product_id?: string;
  rule?: string;
  variant?: string;
  [field: string]: unknown;
}

/** Reports what becomes of an offer. */
export interface Answer {
  /** It was in view; reported once. */
  shown(): void;
  clicked(): void;
  dismissed(): void;
}

/** A running tag. */
export interface Tag {
  /** Sends an event, with the fields of the page. */
  track(type: string, fields?: Record<string, unknown>): void;
  /** Begins a new page view, with fields such as `product_id` that all its events get. */
  view(fields?: Record<string, unknown>): void;
}

/** Starts the tag; once in a document. */
export function start(options: Options): Tag;
