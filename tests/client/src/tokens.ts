/** What a session is presented with. */
export interface Tokens {
  readonly accessToken: string;
  /** Good for one refresh. */
  readonly refreshToken: string;
}

/**
 * The one place that tokens are kept. All of an application's clients share one: two
 * copies of a refresh token are two uses of it, and the second use ends the session.
 */
export interface TokenStore {
  get(): Tokens | undefined;
  set(tokens: Tokens | undefined): void;
}

/** Keeps tokens until the page is left, out of reach of whatever reads storage. */
export class MemoryTokens implements TokenStore {
  #tokens: Tokens | undefined;

  get(): Tokens | undefined {
    return this.#tokens;
  }

  set(tokens: Tokens | undefined): void {
    this.#tokens = tokens;
  }
}
