/** Against the running product, at `BASE_URL`. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { WebSocket } from "ws";

import {
  CasinoClub, type Frame, intent, ok, ProblemError, type Realtime, type State,
} from "../src/index.js";
import type { Socket } from "../src/realtime.js";

const baseUrl = process.env.BASE_URL ?? "http://127.0.0.1:8080";
let players = 0;

async function player(options: { fetch?: (request: Request) => Promise<Response> } = {}) {
  const club = new CasinoClub({ baseUrl, ...options });
  const name = `c${Date.now()}n${players++}`;
  const body = {
    site_id: name, nickname: name, password: "correct-horse-9", invite_code: "5858",
    birth_date: "1990-01-01",
  };
  const { user } = await club.signUp(body);
  return { club, user, name };
}

const spin = (club: CasinoClub, params = intent()) =>
  ok(club.api.POST("/api/games/slot/spin", { params, body: { bet: 1 } }));

/** Sockets that can be cut as a network is. */
class Wire {
  readonly sockets: WebSocket[] = [];

  readonly open = (url: string): Socket => {
    const socket = new WebSocket(url);
    this.sockets.push(socket);
    return socket as unknown as Socket;
  };

  async cut(): Promise<void> {
    const socket = this.sockets.at(-1);
    assert.ok(socket);
    socket.terminate();
    if (socket.readyState !== WebSocket.CLOSED) await once(socket, "close");
  }
}

function until(live: Realtime, wanted: State): Promise<void> {
  return new Promise((resolve) => {
    const end = live.onState((state) => {
      if (state !== wanted) return;
      end();
      resolve();
    });
    if (live.state === wanted) resolve();
  });
}

function next<T extends Frame["type"]>(
  live: Realtime,
  type: T,
  fits: (frame: Frame<T>) => boolean = () => true,
): Promise<Frame<T>> {
  return new Promise((resolve) => {
    const end = live.on(type, (frame) => {
      if (!fits(frame)) return;
      end();
      resolve(frame);
    });
  });
}

test("one wish sent twice happens once", async () => {
  const { club } = await player();
  const wish = intent();
  const [first, second] = await Promise.all([spin(club, wish), spin(club, wish)]);
  assert.deepEqual(first, second);
  const { gold_balance } = await ok(club.api.GET("/api/users/balance"));
  assert.equal(gold_balance, first.gold_balance);
});

test("a lost answer is found again", async () => {
  let lose = false;
  const { club } = await player({
    fetch: async (request) => {
      const answer = await fetch(request);
      if (!lose) return answer;
      lose = false;
      throw new TypeError("the answer is lost");
    },
  });
  const before = (await ok(club.api.GET("/api/users/balance"))).gold_balance;
  lose = true;
  const { bet_gold, win_gold, gold_balance } = await spin(club);
  assert.equal(lose, false);
  assert.equal(gold_balance, before - bet_gold + win_gold);
});

test("a problem has a code, a place and words", async () => {
  const { club } = await player();
  const call = ok(club.api.POST("/api/games/slot/spin", { params: intent(), body: { bet: -1 } }));
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof ProblemError);
    assert.deepEqual([error.status, error.code], [422, "validation_failed"]);
    assert.equal(error.fields[0]?.pointer, "/bet");
    return true;
  });
});

test("twenty calls with an expired token share one refresh", async () => {
  let refreshes = 0;
  const { club } = await player({
    fetch: (request) => {
      if (request.url.endsWith("/api/auth/refresh")) refreshes += 1;
      return fetch(request);
    },
  });
  const tokens = club.tokens.get();
  assert.ok(tokens);
  club.tokens.set({ ...tokens, accessToken: `${tokens.accessToken.slice(0, -8)}AAAAAAAA` });
  const calls = Array.from({ length: 20 }, () => ok(club.api.GET("/api/users/me")));
  const answers = await Promise.all(calls);
  assert.equal(new Set(answers.map((answer) => answer.site_id)).size, 1);
  assert.equal(refreshes, 1);
});

test("changes come live, and what a broken connection missed comes after it", async (t) => {
  const { club } = await player();
  const wire = new Wire();
  const live = club.realtime({ open: wire.open, retries: { base: 50, longest: 500 } });
  t.after(() => live.stop());
  const rounds: { id: string; missed: boolean }[] = [];
  live.on("game_update", ({ data }, missed) => rounds.push({ id: data.round_id, missed }));

  const greeted = next(live, "initial_state");
  live.start();
  await greeted;
  const heard = next(live, "game_update");
  const first = await spin(club);
  await heard;

  const back = next(live, "initial_state");
  const reconnecting = until(live, "connecting");
  await wire.cut();
  await reconnecting;
  const missed = [await spin(club), await spin(club), await spin(club)];
  await back;
  const fifth = next(live, "game_update", () => rounds.length === 5);
  const last = await spin(club);
  await fifth;
  assert.deepEqual(
    rounds.map(({ id }) => id),
    [first, ...missed, last].map(({ round_id }) => round_id),
  );
  assert.equal(rounds.at(-1)?.missed, false);
});

test("signing out ends the socket, and nothing connects again", async (t) => {
  const { club } = await player();
  const wire = new Wire();
  const live = club.realtime({ open: wire.open, retries: { base: 10, longest: 50 } });
  t.after(() => live.stop());
  live.start();
  await next(live, "initial_state");
  const ended = until(live, "ended");
  await club.logOut();
  await ended;
  assert.equal(club.tokens.get(), undefined);
  await assert.rejects(ok(club.api.GET("/api/users/me")), { code: "unauthenticated" });
});
