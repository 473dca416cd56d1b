import assert from "node:assert/strict";
import { test } from "node:test";

import type { Fetch } from "../src/retry.js";
import { Session } from "../src/session.js";
import { MemoryTokens } from "../src/tokens.js";

const problem = (status: number, code: string) =>
  new Response(JSON.stringify({ code }), { status });

/** A server that takes the access token `new`, and gives it out for `refresh`. */
function club(refreshed: () => Response) {
  const tokens = new MemoryTokens();
  tokens.set({ accessToken: "old", refreshToken: "refresh" });
  const refreshes: Request[] = [];
  const refresh: Fetch = async (request) => {
    refreshes.push(request);
    return refreshed();
  };
  const send: Fetch = async (request) =>
    request.headers.get("Authorization") === "Bearer new"
      ? new Response("welcome")
      : problem(401, "unauthenticated");
  const session = new Session("http://club.test", refresh, tokens);
  return { tokens, refreshes, call: session.authenticated(send), session };
}

const next = () =>
  new Response(JSON.stringify({ access_token: "new", refresh_token: "refresh-2" }));
const request = () => new Request("http://club.test/api/users/me");

test("of twenty calls that find the token expired, one refreshes, and all go on", async () => {
  const { tokens, refreshes, call } = club(next);
  const answers = await Promise.all(Array.from({ length: 20 }, () => call(request())));
  assert.ok(answers.every((answer) => answer.ok));
  assert.equal(refreshes.length, 1);
  assert.deepEqual(tokens.get(), { accessToken: "new", refreshToken: "refresh-2" });
  await call(request());
  assert.equal(refreshes.length, 1);
});

test("a refresh has the same key each time, so a lost answer is found again", async () => {
  const keys = [];
  for (const { refreshes, call } of [club(next), club(next)]) {
    await call(request());
    keys.push(refreshes[0]?.headers.get("Idempotency-Key"));
  }
  assert.match(keys[0] ?? "", /^[0-9a-f]{64}$/);
  assert.equal(keys[0], keys[1]);
});

test("a session that is over leaves no tokens, and the answer is the server's", async () => {
  const { tokens, call } = club(() => problem(401, "refresh_expired"));
  assert.equal((await call(request())).status, 401);
  assert.equal(tokens.get(), undefined);
});

test("a server that is busy ends no session", async () => {
  const { tokens, call } = club(() => problem(503, "unavailable"));
  assert.equal((await call(request())).status, 401);
  assert.equal(tokens.get()?.refreshToken, "refresh");
});

test("a wrong password is no expired token", async () => {
  const { refreshes, session } = club(next);
  const call = session.authenticated(async () => problem(401, "invalid_credentials"));
  assert.equal((await call(request())).status, 401);
  assert.equal(refreshes.length, 0);
});

test("who signs in anew while a refresh is on its way keeps the new session", async () => {
  const { tokens, call } = club(() => {
    tokens.set({ accessToken: "new", refreshToken: "another" });
    return problem(401, "refresh_expired");
  });
  assert.ok((await call(request())).ok);
  assert.equal(tokens.get()?.refreshToken, "another");
});
