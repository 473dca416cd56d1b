import type { Frame } from "./frames.js";

/** More than a connection ever replays. */
const REMEMBERED = 1000;

/** A frame, and whether the latest `initial_state` holds it already. */
export type Deliver = (frame: Frame, missed: boolean) => void;

/**
 * Makes one stream of the frames of one connection after another: each once, in order.
 *
 * A new connection begins with a fresh state, so a screen is right at once. What
 * happened in between comes after it, marked as missed: it is there to be told (the
 * purchase that went through, the round that was won), not to be applied. What happens
 * meanwhile waits until then.
 */
export class Inbox {
  readonly #deliver: Deliver;
  readonly #seen = new Set<string>();
  /** The last entry of which every frame has come; none before the first state. */
  #whole: number | undefined;
  /** The last entry of which any frame has come. */
  #latest = 0;
  #greeted = false;
  /** While missed frames come: up to which entry, and what waits behind them. */
  #missing: { readonly until: number; readonly waiting: Frame[] } | undefined;

  constructor(deliver: Deliver) {
    this.#deliver = deliver;
  }

  /** A connection has opened, and knows nothing of the ones before. */
  opened(): void {
    this.#greeted = false;
    this.#missing = undefined;
  }

  /** Takes a frame; the answer is the `last_seq` to ask after, if something was missed. */
  take(frame: Frame): number | undefined {
    // It tells of no entry, so no other frame is like it, or before it.
    if (frame.seq === 0) {
      this.#deliver(frame, false);
      return undefined;
    }
    switch (subject(frame)) {
      case "sync_connected":
        this.#deliver(frame, false);
        return undefined;
      case "initial_state":
        return this.#greeted ? this.#tooLong(frame) : this.#greet(frame);
      case "stats_update":
        this.#once(frame, false);
        // The last of the missed frames are the statistics. They may be pushed as well,
        // just then: what is still to come is then told late, but told.
        if (this.#missing !== undefined && frame.seq >= this.#missing.until) this.#caughtUp();
        return undefined;
      default:
        if (this.#missing !== undefined && frame.seq > this.#missing.until) {
          this.#missing.waiting.push(frame);
        } else {
          this.#once(frame, this.#missing !== undefined);
        }
        return undefined;
    }
  }

  #greet(state: Frame): number | undefined {
    this.#greeted = true;
    this.#deliver(state, false);
    if (this.#whole === undefined || this.#whole === state.seq) {
      this.#whole = this.#latest = state.seq;
      return undefined;
    }
    this.#missing = { until: state.seq, waiting: [] };
    return this.#whole;
  }

  /** Too much was missed to be told: a fresh state is all there is. */
  #tooLong(state: Frame): undefined {
    this.#deliver(state, false);
    const waiting = this.#missing?.waiting ?? [];
    this.#missing = undefined;
    this.#whole = this.#latest = state.seq;
    for (const frame of waiting) if (frame.seq > state.seq) this.#once(frame, false);
  }

  #caughtUp(): void {
    const { until, waiting } = this.#missing ?? { until: 0, waiting: [] };
    this.#missing = undefined;
    this.#latest = Math.max(this.#latest, until);
    for (const frame of waiting) this.#once(frame, false);
  }

  #once(frame: Frame, missed: boolean): void {
    const key = `${frame.seq} ${subject(frame)}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= REMEMBERED) break;
      this.#seen.delete(oldest);
    }
    // Statistics follow their entry at a distance, and say nothing about its frames.
    if (subject(frame) !== "stats_update" && frame.seq > this.#latest) {
      this.#whole = Math.max(this.#whole ?? 0, this.#latest);
      this.#latest = frame.seq;
    }
    this.#deliver(frame, missed);
  }
}

/** The type of a frame, or of the one that it stands for. */
function subject(frame: Frame): string {
  return frame.type === "reduced" ? (frame.data?.of ?? frame.type) : frame.type;
}
