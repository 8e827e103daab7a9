/** Who is signed in here. */

import { ApiError, call, onSignedOut } from "../api/client";
import type { Session } from "../api/types";
import { Signal } from "../store/signal";
import { feed } from "../store/stores";
import { setUsualZone } from "../store/zones";

export type SessionState =
  | { phase: "asking" }
  | { phase: "out" }
  | { phase: "in"; session: Session; expired: boolean }
  | { phase: "failed"; error: unknown };

export const session = new Signal<SessionState>({ phase: "asking" });

session.subscribe(() => {
  const now = session.get();
  if (now.phase === "in") setUsualZone(now.session.timezone);
});

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

let reviving = false;

// Somebody has signed in again in another tab of this browser: the stream that all tabs share lives, so this one may go on too.
feed.subscribe(() => {
  const now = session.get();
  const { link } = feed.get();
  if (reviving || now.phase !== "in" || !now.expired || (link !== "live" && link !== "backlog")) return;
  reviving = true;
  call<Session>("GET", "session")
    .then(
      (answer) => session.set({ phase: "in", session: answer, expired: false }),
      // Still signed out: the sign-in stays over the page, and what was being written behind it is not lost.
      () => undefined,
    )
    .finally(() => {
      reviving = false;
    });
});

export async function signIn(username: string, password: string): Promise<void> {
  const answer = await call<Session>("POST", "session", { username, password });
  session.set({ phase: "in", session: answer, expired: false });
}

/** Rejects when the server did not hear it: a desk that is not signed out must not look as if it were. */
export async function signOut(): Promise<void> {
  try {
    await call("DELETE", "session");
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) throw error;
  }
  session.set({ phase: "out" });
}
