/** One door to the server: JSON in and out, every failure an ApiError, every call with an end. */

export const API = "/api/v1";
const TIMEOUT_MS = 20_000;

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly where: string;
  readonly body: unknown;
  /** Seconds after which another try is of use, where the server says so. */
  readonly retryS: number | null;

  constructor(status: number, code: string, message: string, where = "", body: unknown = null, retryS: number | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.where = where;
    this.body = body;
    this.retryS = retryS;
  }
}

type Listener = () => void;
const signedOutListeners = new Set<Listener>();

/** Calls `listener` whenever the server says that there is no session any more. */
export function onSignedOut(listener: Listener): () => void {
  signedOutListeners.add(listener);
  return () => signedOutListeners.delete(listener);
}

export function sayIsSignedOut(): void {
  for (const listener of signedOutListeners) listener();
}

function errorOf(status: number, body: unknown, retryAfter: string | null): ApiError {
  const error = (body as { error?: { code?: unknown; message?: unknown; where?: unknown } } | null)?.error;
  const text = (value: unknown, otherwise: string) => (typeof value === "string" ? value.slice(0, 500) : otherwise);
  return new ApiError(status, text(error?.code, `http-${status}`), text(error?.message, ""), text(error?.where, ""), body, /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) : null);
}

export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (method !== "GET") headers["x-csrf"] = "1";
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  init.signal = signal ? AbortSignal.any([signal, limit]) : limit;
  let response: Response;
  let parsed: unknown = null;
  try {
    response = await fetch(`${API}/${path}`, init);
    if (response.headers.get("content-type")?.includes("json")) parsed = await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", error instanceof Error ? error.message : "");
  }
  if (response.ok) return parsed as T;
  if (response.status === 401 && path !== "session") sayIsSignedOut();
  throw errorOf(response.status, parsed, response.headers.get("retry-after"));
}

/** A query string of the parameters that say something. */
export function query(parameters: Record<string, string | number | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

/** Names one press of a button, so that a repeated request is the same request (works without TLS too). */
export function operationId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
