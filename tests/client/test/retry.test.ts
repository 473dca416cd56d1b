import assert from "node:assert/strict";
import { test } from "node:test";

import { type Fetch, retrying } from "../src/retry.js";

const policy = { attempts: 4, base: 1, longest: 2_000 };

/** Answers in turn; a string is a connection that breaks. */
function server(...answers: (Response | string)[]): { send: Fetch; seen: Request[] } {
  const seen: Request[] = [];
  const send: Fetch = async (request) => {
    seen.push(request);
    const answer = answers[Math.min(seen.length, answers.length) - 1];
    if (answer instanceof Response) return answer.clone();
    throw new TypeError(answer);
  };
  return { send, seen };
}

const post = (headers: Record<string, string> = {}) =>
  new Request("http://club.test/spin", { method: "POST", body: "{}", headers });
const busy = (headers: Record<string, string> = {}) => new Response(null, { status: 503, headers });
const done = new Response("done");

test("a request with a key is sent again, the same, until it is answered", async () => {
  const { send, seen } = server(busy(), "reset", new Response(null, { status: 408 }), done);
  const answer = await retrying(send, policy)(post({ "Idempotency-Key": "one" }));
  assert.equal(await answer.text(), "done");
  assert.deepEqual(await Promise.all(seen.map((request) => request.text())), Array(4).fill("{}"));
  assert.ok(seen.every((request) => request.headers.get("Idempotency-Key") === "one"));
});

test("one that might happen twice is not", async () => {
  const { send, seen } = server(busy(), done);
  assert.equal((await retrying(send, policy)(post())).status, 503);
  assert.equal(seen.length, 1);
  await assert.rejects(retrying(server("reset").send, policy)(post()), /reset/);
});

test("what is no passing trouble is answered at once", async () => {
  for (const status of [400, 401, 404, 409, 422, 500]) {
    const { send, seen } = server(new Response(null, { status }), done);
    assert.equal((await retrying(send, policy)(new Request("http://club.test"))).status, status);
    assert.equal(seen.length, 1);
  }
});

test("attempts end, and the last answer counts", async () => {
  const { send, seen } = server(busy());
  assert.equal((await retrying(send, policy)(new Request("http://club.test"))).status, 503);
  assert.equal(seen.length, policy.attempts);
});

test("who is told to come back much later is told so at once", async () => {
  const { send, seen } = server(busy({ "Retry-After": "600" }), done);
  assert.equal((await retrying(send, policy)(new Request("http://club.test"))).status, 503);
  assert.equal(seen.length, 1);
});

test("Retry-After is waited for", async () => {
  const { send } = server(busy({ "Retry-After": "1" }), done);
  const since = performance.now();
  await retrying(send, policy)(new Request("http://club.test"));
  assert.ok(performance.now() - since >= 990);
});

test("nobody waits for what was called off", async () => {
  const calledOff = new AbortController();
  const { send, seen } = server(busy({ "Retry-After": "2" }), done);
  const request = new Request("http://club.test", { signal: calledOff.signal });
  const answer = retrying(send, policy)(request);
  calledOff.abort(new Error("called off"));
  await assert.rejects(answer, /called off/);
  assert.equal(seen.length, 1);
});
