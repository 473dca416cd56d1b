import type { Client } from "openapi-fetch";

import { type Frame, type FrameType, parse } from "./frames.js";
import { Inbox } from "./inbox.js";
import { ok, ProblemError } from "./problem.js";
import { type Backoff, backoff, RECONNECTS, sleep } from "./retry.js";
import type { paths } from "./schema.js";

/** `ended`: the session is over, and somebody has to sign in. */
export type State = "idle" | "connecting" | "open" | "ended";

/** The part of a WebSocket that is used. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(): void;
}

export interface RealtimeOptions {
  /** Opens a socket; the platform's by default. */
  readonly open?: (url: string) => Socket;
  /** Between attempts to connect; it never gives up. */
  readonly retries?: Backoff;
  /**
   * Milliseconds between pings. The gateway closes a socket that is silent for ten minutes,
   * and a player who is silent for five does not count as online.
   */
  readonly heartbeat?: number;
  /** Milliseconds to wait for whatever is sent after a ping. */
  readonly patience?: number;
}

type Listener = (frame: Frame, missed: boolean) => void;

/**
 * The player's changes as they happen, over as many connections as it takes. After each
 * there is an `initial_state` first; frames with `missed` are in it already.
 */
export class Realtime {
  readonly #api: Client<paths, "application/json">;
  readonly #options: Required<RealtimeOptions>;
  readonly #listeners = new Map<FrameType, Set<Listener>>();
  readonly #watchers = new Set<(state: State) => void>();
  readonly #inbox = new Inbox((frame, missed) => this.#tell(frame, missed));
  #state: State = "idle";
  #run: AbortController | undefined;

  constructor(api: Client<paths, "application/json">, options: RealtimeOptions = {}) {
    this.#api = api;
    this.#options = {
      open: (url) => new WebSocket(url) as Socket,
      retries: RECONNECTS,
      heartbeat: 4 * 60_000,
      patience: 10_000,
      ...options,
    };
  }

  get state(): State {
    return this.#state;
  }

  /** Calls `listener` for each frame of a type. Returns what ends that. */
  on<T extends FrameType>(
    type: T,
    listener: (frame: Frame<T>, missed: boolean) => void,
  ): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener as Listener));
    return () => listeners.delete(listener as Listener);
  }

  /** Calls `watcher` whenever the state has changed. Returns what ends that. */
  onState(watcher: (state: State) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Connects, and connects again, until told to stop or signed out. */
  start(): void {
    if (this.#run !== undefined) return;
    const run = new AbortController();
    this.#run = run;
    void this.#stayConnected(run.signal).finally(() => {
      if (this.#run === run) this.#run = undefined;
    });
  }

  stop(): void {
    this.#run?.abort();
    this.#run = undefined;
    this.#become("idle");
  }

  async #stayConnected(signal: AbortSignal): Promise<void> {
    for (let failures = 1; !signal.aborted; failures += 1) {
      this.#become("connecting");
      try {
        // A ticket is good once, and for half a minute.
        const { ticket, url } = await ok(this.#api.POST("/api/realtime/ticket", { signal }));
        const address = `${url}?ticket=${encodeURIComponent(ticket)}`;
        if (await this.#converse(address, signal)) failures = 0;
      } catch (error) {
        if (error instanceof ProblemError && error.status === 401) {
          this.#become("ended");
          return;
        }
      }
      await sleep(backoff(this.#options.retries, failures + 1), signal).catch(() => undefined);
    }
  }

  /** One connection, to its end; whether it was ever open. */
  #converse(url: string, signal: AbortSignal): Promise<boolean> {
    const { open, heartbeat, patience } = this.#options;
    return new Promise((resolve) => {
      const socket = open(url);
      let opened = false;
      let silence: ReturnType<typeof setTimeout> | undefined;
      const close = () => socket.close();
      const beat = setInterval(() => {
        if (!opened) return;
        socket.send(JSON.stringify({ action: "ping" }));
        silence ??= setTimeout(end, patience);
      }, heartbeat);
      const end = () => {
        clearInterval(beat);
        clearTimeout(silence);
        signal.removeEventListener("abort", close);
        socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(opened);
      };
      signal.addEventListener("abort", close, { once: true });
      // An error is always followed by the end.
      socket.onerror = () => undefined;
      socket.onclose = end;
      socket.onmessage = ({ data }) => {
        clearTimeout(silence);
        silence = undefined;
        const frame = typeof data === "string" ? parse(data) : undefined;
        if (frame === undefined) return;
        if (!opened) {
          opened = true;
          this.#inbox.opened();
          this.#become("open");
        }
        const missedAfter = this.#inbox.take(frame);
        if (missedAfter !== undefined) {
          socket.send(JSON.stringify({ action: "sync", last_seq: missedAfter }));
        }
      };
      if (signal.aborted) close();
    });
  }

  #tell(frame: Frame, missed: boolean): void {
    for (const listener of this.#listeners.get(frame.type) ?? []) listener(frame, missed);
  }

  #become(state: State): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const watcher of this.#watchers) watcher(state);
  }
}
