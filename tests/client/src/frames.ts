import type { DashboardCore, Money, PurchaseStatus } from "./schema.js";

/** What a frame is about, by its type. */
export interface FrameData {
  /** The first of a connection. */
  sync_connected: { connection_id: string };
  /** Everything a screen begins with; it holds every frame up to its `seq`. */
  initial_state: DashboardCore;
  profile_update: {
    changes: { gold_balance: number; level: number; exp: number; debt_gold?: number };
  };
  reward_granted: { reward_type: string; amount: number; balance_after: number };
  streak_update: { action_type: string; streak_count: number };
  game_update: {
    game: string;
    round_id: string;
    outcome: string[];
    bet_gold: number;
    win_gold: number;
    multiplier: number;
    gold_balance: number;
  };
  purchase_update: {
    status: PurchaseStatus | "refunded" | "charged_back";
    product_id: string;
    /** None of a request that was refused. */
    receipt?: string;
    quantity: number;
    price_gold?: number;
    price_money?: Money;
    /** Of a purchase that went on. */
    gold_balance?: number;
    reason?: string;
  };
  user_action: { action_type: string; context: Record<string, unknown>; server_ts: string };
  stats_update: {
    stats: {
      total_games_played: number;
      wins: number;
      losses: number;
      total_bets: number;
      highest_multiplier: number;
      total_profit: number;
      lifetime_active_days: number;
    };
  };
  /** Stands for a frame of the type `of` that is too long to be sent: ask the API. */
  reduced: { of: string; bytes: number };
  pong: Record<string, never>;
  error: { code: string; message: string };
}

export type FrameType = keyof FrameData;

/**
 * A message of the socket. `(seq, type)` is unique per player, unless `seq` is 0; of what
 * is `reduced`, `of` counts as the type.
 */
export type Frame<T extends FrameType = FrameType> = {
  [Type in T]: {
    readonly type: Type;
    readonly user_id: string;
    readonly data: FrameData[Type];
    readonly timestamp: string;
    /**
     * The journal entry it tells of; 0 if it tells of none: an answer, or a purchase that
     * was refused or repeated.
     */
    readonly seq: number;
    /** Names the request behind it in the server's logs. */
    readonly trace_id?: string;
  };
}[T];

/** What a message of the socket says, if it is a frame at all. */
export function parse(text: string): Frame | undefined {
  try {
    const frame = JSON.parse(text);
    return typeof frame?.type === "string" && typeof frame.seq === "number" ? frame : undefined;
  } catch {
    return undefined;
  }
}
