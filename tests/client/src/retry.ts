import { retryAfter } from "./problem.js";

export type Fetch = (request: Request) => Promise<Response>;

/** How long to wait. Times in milliseconds. */
export interface Backoff {
  /** The longest first pause; it doubles each time. */
  readonly base: number;
  /** No pause is longer. */
  readonly longest: number;
}

/** How long to go on asking. Who is told to come back later than `longest` is told so at once. */
export interface RetryPolicy extends Backoff {
  /** Requests in all, the first one included. */
  readonly attempts: number;
}

export const RETRIES: RetryPolicy = { attempts: 5, base: 200, longest: 10_000 };

/** Of sockets: those that a gateway has dropped at one instant do not come back at one. */
export const RECONNECTS: Backoff = { base: 1_000, longest: 30_000 };

const WORTH_ANOTHER_TRY = new Set([408, 429, 502, 503, 504]);

/**
 * Sends a request again while the server is busy or does not answer. Only one that
 * happens once however often it is sent: one that changes nothing, or has a key.
 */
export function retrying(send: Fetch, policy: RetryPolicy = RETRIES): Fetch {
  return async (request) => {
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt >= policy.attempts || !happensOnce(request);
      let pause = backoff(policy, attempt);
      try {
        const answer = await send(request.clone());
        if (last || !WORTH_ANOTHER_TRY.has(answer.status)) return answer;
        pause = Math.max(pause, (retryAfter(answer) ?? 0) * 1000);
        if (pause > policy.longest) return answer;
        await answer.body?.cancel();
      } catch (error) {
        // Nobody knows whether the request arrived.
        if (last || request.signal.aborted) throw error;
      }
      await sleep(pause, request.signal);
    }
  };
}

/** Full jitter: clients that failed together do not come back together. */
export function backoff({ base, longest }: Backoff, attempt: number): number {
  return Math.random() * Math.min(longest, base * 2 ** (attempt - 1));
}

/** @throws the signal's reason, when it says that nobody waits any more */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

function happensOnce(request: Request): boolean {
  return request.method === "GET" || request.headers.has("Idempotency-Key");
}
