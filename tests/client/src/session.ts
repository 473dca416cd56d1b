import type { RefreshAnswer } from "./schema.js";
import type { Fetch } from "./retry.js";
import type { TokenStore } from "./tokens.js";

/** Presents the access token, and gets the next one when it has expired. */
export class Session {
  readonly #url: string;
  readonly #send: Fetch;
  readonly #tokens: TokenStore;
  #refreshing: Promise<string | undefined> | undefined;

  /** `send` is what the refresh itself goes by. */
  constructor(baseUrl: string, send: Fetch, tokens: TokenStore) {
    this.#url = `${baseUrl}/api/auth/refresh`;
    this.#send = send;
    this.#tokens = tokens;
  }

  /** Sends requests with the access token; after a 401 once more, with the next one. */
  authenticated(send: Fetch): Fetch {
    return async (request) => {
      const used = this.#tokens.get()?.accessToken;
      const answer = await send(bearing(request.clone(), used));
      if (used === undefined || !(await isSignedOut(answer))) return answer;
      const next = await this.#next(used);
      return next === undefined ? answer : send(bearing(request, next));
    };
  }

  /** The token after `used`. Of many calls that were refused at once, one refreshes. */
  #next(used: string): Promise<string | undefined> {
    const present = this.#tokens.get()?.accessToken;
    // Another call was faster, or somebody has signed in anew meanwhile.
    if (present !== used) return Promise.resolve(present);
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<string | undefined> {
    const refreshToken = this.#tokens.get()?.refreshToken;
    if (refreshToken === undefined) return undefined;
    const answer = await this.#send(
      new Request(this.#url, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          // Always the same for the same token: whose answer was lost, even with the
          // page, gets it again instead of using a token twice.
          "Idempotency-Key": await keyOf(refreshToken),
        },
        body: JSON.stringify({ refresh_token: refreshToken }),
      }),
    );
    // Signed out or in anew while this was on its way.
    if (this.#tokens.get()?.refreshToken !== refreshToken) return this.#tokens.get()?.accessToken;
    if (answer.ok) {
      const next = (await answer.json()) as RefreshAnswer;
      this.#tokens.set({ accessToken: next.access_token, refreshToken: next.refresh_token });
      return next.access_token;
    }
    // A busy server says nothing about the session.
    if (answer.status === 401 || answer.status === 422) this.#tokens.set(undefined);
    return undefined;
  }
}

function bearing(request: Request, token: string | undefined): Request {
  if (token !== undefined) request.headers.set("Authorization", `Bearer ${token}`);
  return request;
}

/** A wrong password is 401 as well, and no reason to refresh. */
async function isSignedOut(answer: Response): Promise<boolean> {
  if (answer.status !== 401) return false;
  const problem = await answer.clone().json().catch(() => ({}));
  return problem.code === "unauthenticated";
}

async function keyOf(token: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
