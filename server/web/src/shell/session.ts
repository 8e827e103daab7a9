/** Who is signed in here. */

import { call, onSignedOut } from "../api/client";
import type { Session } from "../api/types";
import { Signal } from "../store/signal";

export type SessionState =
  | { phase: "asking" }
  | { phase: "out" }
  | { phase: "in"; session: Session; expired: boolean }
  | { phase: "failed"; error: unknown };

export const session = new Signal<SessionState>({ phase: "asking" });

onSignedOut(() => {
  const now = session.get();
  // The page stays behind the sign-in: what was being written is not lost.
  if (now.phase === "in") session.set({ ...now, expired: true });
});

const RETRY_MS = 5_000;

/** Asks until the server answers: a desk that starts before its server must find it by itself. */
export async function askSession(): Promise<void> {
  try {
    session.set({ phase: "in", session: await call<Session>("GET", "session"), expired: false });
  } catch (error) {
    const status = (error as { status?: number }).status;
    session.set(status === 401 ? { phase: "out" } : { phase: "failed", error });
    if (status !== 401) setTimeout(() => session.get().phase === "failed" && void askSession(), RETRY_MS);
  }
}

export async function signIn(username: string, password: string): Promise<void> {
  const answer = await call<Session>("POST", "session", { username, password });
  session.set({ phase: "in", session: answer, expired: false });
}

export async function signOut(): Promise<void> {
  await call("DELETE", "session");
  session.set({ phase: "out" });
}
