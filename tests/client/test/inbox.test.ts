import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import type { Frame } from "../src/frames.js";
import { Inbox } from "../src/inbox.js";

let told: string[];
let inbox: Inbox;

beforeEach(() => {
  told = [];
  inbox = new Inbox((frame, missed) => told.push(`${frame.type} ${frame.seq}${missed ? "!" : ""}`));
  inbox.opened();
});

/** Takes `type seq` or `reduced:type seq` each; the last answer. */
function take(...frames: string[]): number | undefined {
  let ask: number | undefined;
  for (const frame of frames) {
    const [types, seq] = frame.split(" ");
    const [type, of] = types!.split(":");
    ask = inbox.take({ type, seq: Number(seq), data: { of } } as Frame);
  }
  return ask;
}

test("the first state is where everything begins", () => {
  assert.equal(take("sync_connected 5", "initial_state 5"), undefined);
  take("profile_update 6", "game_update 6", "stats_update 6");
  assert.deepEqual(told, [
    "sync_connected 5", "initial_state 5", "profile_update 6", "game_update 6", "stats_update 6",
  ]);
});

test("what tells of no entry is told as often as it comes", () => {
  take("initial_state 5", "purchase_update 0", "game_update 6", "purchase_update 0", "pong 0");
  assert.deepEqual(told, [
    "initial_state 5", "purchase_update 0", "game_update 6", "purchase_update 0", "pong 0",
  ]);
});

test("what comes twice is told once", () => {
  take("initial_state 5", "profile_update 6", "profile_update 6", "game_update 6", "profile_update 6");
  assert.deepEqual(told, ["initial_state 5", "profile_update 6", "game_update 6"]);
});

test("after a break it asks from the last entry it has whole, and tells only what is new", () => {
  take("initial_state 5", "profile_update 6", "game_update 6", "profile_update 7");
  inbox.opened();
  told = [];
  assert.equal(take("sync_connected 9", "initial_state 9"), 6, "of 7 there may be more");
  take("profile_update 7", "game_update 7", "profile_update 8", "game_update 8", "stats_update 9");
  assert.deepEqual(told, [
    "sync_connected 9", "initial_state 9", "game_update 7!", "profile_update 8!", "game_update 8!",
    "stats_update 9",
  ]);
});

test("what happens meanwhile waits for what was missed", () => {
  take("initial_state 5", "profile_update 6");
  inbox.opened();
  told = [];
  assert.equal(take("initial_state 7"), 5);
  take("profile_update 8", "profile_update 7", "stats_update 6", "game_update 8", "stats_update 8");
  assert.deepEqual(told, [
    "initial_state 7", "profile_update 7!", "stats_update 6", "stats_update 8", "profile_update 8",
    "game_update 8",
  ]);
});

test("a break while it catches up loses nothing", () => {
  take("initial_state 5", "profile_update 6");
  inbox.opened();
  assert.equal(take("initial_state 9"), 5);
  take("game_update 6", "profile_update 7", "profile_update 8");
  inbox.opened();
  told = [];
  assert.equal(take("initial_state 9"), 7);
  take("profile_update 8", "game_update 8", "profile_update 9", "stats_update 9");
  assert.deepEqual(told, ["initial_state 9", "game_update 8!", "profile_update 9!", "stats_update 9"]);
});

test("a gap too long is a fresh state, and goes on from there", () => {
  take("initial_state 5");
  inbox.opened();
  assert.equal(take("initial_state 500"), 5);
  take("profile_update 501", "profile_update 502", "initial_state 501");
  told = told.slice(-2);
  assert.deepEqual(told, ["initial_state 501", "profile_update 502"]);
  inbox.opened();
  assert.equal(take("initial_state 503"), 501);
});

test("nothing missed is nothing to ask for", () => {
  take("initial_state 5");
  inbox.opened();
  assert.equal(take("initial_state 5"), undefined);
});

test("what is reduced stands for what it is of", () => {
  take("reduced:initial_state 5", "profile_update 6", "reduced:game_update 6", "game_update 6");
  assert.deepEqual(told, ["reduced 5", "profile_update 6", "reduced 6"]);
  inbox.opened();
  assert.equal(take("initial_state 7"), 5);
});
