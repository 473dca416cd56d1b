import createClient, { type Client } from "openapi-fetch";

import { ok } from "./problem.js";
import { Realtime, type RealtimeOptions } from "./realtime.js";
import { RETRIES, type Fetch, type RetryPolicy, retrying } from "./retry.js";
import type { LoginAnswer, LoginRequest, SignupAnswer, SignupRequest, paths } from "./schema.js";
import { Session } from "./session.js";
import { MemoryTokens, type TokenStore } from "./tokens.js";

export interface CasinoClubOptions {
  /** Where the API is, without a slash at the end. */
  readonly baseUrl: string;
  readonly tokens?: TokenStore;
  readonly retries?: RetryPolicy;
  /** Instead of the platform's. */
  readonly fetch?: Fetch;
}

/** Something that is to happen once: the header of a request that says which it is. */
export interface Intent {
  readonly header: { readonly "Idempotency-Key": string };
}

/**
 * Made once for each thing a player wants, when they want it, and given along each
 * time the request is sent: `api.POST(path, { params: intent, body })`.
 */
export function intent(): Intent {
  return { header: { "Idempotency-Key": crypto.randomUUID() } };
}

/** The API as one player uses it. */
export class CasinoClub {
  /** Every call of the API document, typed by it. `ok(…)` turns problems into errors. */
  readonly api: Client<paths, "application/json">;
  readonly tokens: TokenStore;

  constructor(options: CasinoClubOptions) {
    const { baseUrl, retries = RETRIES, fetch: send = (request) => fetch(request) } = options;
    this.tokens = options.tokens ?? new MemoryTokens();
    const patient = retrying(send, retries);
    const session = new Session(baseUrl, patient, this.tokens);
    this.api = createClient<paths, "application/json">({
      baseUrl,
      fetch: session.authenticated(patient),
    });
  }

  /** Signs a new player up, and in. */
  async signUp(body: SignupRequest, once: Intent = intent()): Promise<SignupAnswer> {
    const answer = await ok(this.api.POST("/api/auth/signup", { params: once, body }));
    this.#keep(answer);
    return answer;
  }

  async logIn(body: LoginRequest, once: Intent = intent()): Promise<LoginAnswer> {
    const answer = await ok(this.api.POST("/api/auth/login", { params: once, body }));
    this.#keep(answer);
    return answer;
  }

  /** Ends the session; here in any case. Its sockets are closed by the server. */
  async logOut(once: Intent = intent()): Promise<void> {
    try {
      await ok(this.api.POST("/api/auth/logout", { params: once }));
    } finally {
      this.tokens.set(undefined);
    }
  }

  /** The player's changes, live. One for an application is enough. */
  realtime(options?: RealtimeOptions): Realtime {
    return new Realtime(this.api, options);
  }

  #keep(answer: SignupAnswer): void {
    const { access_token: accessToken, refresh_token: refreshToken } = answer;
    this.tokens.set({ accessToken, refreshToken });
  }
}
