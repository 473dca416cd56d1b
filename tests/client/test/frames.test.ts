import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { type FrameData, type FrameType, parse } from "../src/frames.js";

type Members = { [T in FrameType]: { [Member in keyof FrameData[T]]-?: true } };
type EntryFrames = Omit<
  Members,
  "sync_connected" | "initial_state" | "reduced" | "pong" | "error"
>;

/** The members that the types have; the compiler sees to it. */
const members: EntryFrames = {
  profile_update: { changes: true },
  reward_granted: { reward_type: true, amount: true, balance_after: true },
  streak_update: { action_type: true, streak_count: true },
  game_update: {
    game: true, round_id: true, outcome: true, bet_gold: true, win_gold: true, multiplier: true,
    gold_balance: true,
  },
  purchase_update: {
    status: true, product_id: true, receipt: true, quantity: true, price_gold: true,
    price_money: true, gold_balance: true, reason: true,
  },
  user_action: { action_type: true, context: true, server_ts: true },
  stats_update: { stats: true },
};

test("the types know every frame that the server sends, and each of its members", () => {
  const directory = join(process.cwd(), "../contract/snapshots");
  const seen = new Set<string>();
  for (const file of readdirSync(directory)) {
    const snapshot = JSON.parse(readFileSync(join(directory, file), "utf8"));
    for (const written of snapshot.frames ?? []) {
      const frame = parse(JSON.stringify(written));
      assert.ok(frame !== undefined && frame.type in members, `${file}: ${written.type}`);
      assert.equal(frame.trace_id, snapshot.envelope.trace_id, `${file}: ${frame.type}`);
      const known = members[frame.type as keyof EntryFrames];
      for (const member of Object.keys(frame.data)) {
        assert.ok(member in known, `${file}: ${frame.type} has ${member}`);
      }
      seen.add(frame.type);
    }
  }
  assert.ok(seen.size >= 6, [...seen].join());
});

test("what is no frame is nothing", () => {
  for (const text of ["", "null", "[]", "{", '{"type":1,"seq":2}', '{"type":"pong"}']) {
    assert.equal(parse(text), undefined, text);
  }
});
