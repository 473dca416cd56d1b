import type { FieldError, Problem } from "./schema.js";

/** An answer that is no success. Decide by `code`, which is never renamed; show `message`. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly code: string;
  readonly status: number;
  /** Which parts of the request were wrong, if it was the request. */
  readonly fields: readonly FieldError[];
  /** Seconds after which to ask again, if the server said. */
  readonly retryAfter: number | undefined;
  /** Names the request in the server's logs. */
  readonly requestId: string | undefined;

  constructor(status: number, problem: Partial<Problem>, retryAfter: number | undefined) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.fields = problem.errors ?? [];
    this.retryAfter = retryAfter;
    this.requestId = problem.request_id ?? undefined;
  }
}

/** `Retry-After` in seconds. The API never writes it as a date. */
export function retryAfter(answer: Response): number | undefined {
  const seconds = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}

/** What openapi-fetch resolves with. */
interface Result<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * The body of a success.
 *
 * @throws {ProblemError} for every other answer
 */
export async function ok<T>(call: Promise<Result<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) {
    const problem = typeof error === "object" && error !== null ? error : {};
    throw new ProblemError(response.status, problem, retryAfter(response));
  }
  return data as T;
}
