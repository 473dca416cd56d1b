export { CasinoClub, type CasinoClubOptions, type Intent, intent } from "./client.js";
export type { Frame, FrameData, FrameType } from "./frames.js";
export { ok, ProblemError } from "./problem.js";
export { Realtime, type RealtimeOptions, type State } from "./realtime.js";
export { RECONNECTS, RETRIES, type Backoff, type Fetch, type RetryPolicy } from "./retry.js";
export type * from "./schema.js";
export { MemoryTokens, type Tokens, type TokenStore } from "./tokens.js";
