/** What somebody edits against what the server holds: whose draft it is, and on what it stands. Pure. */

import type { ConfigWhole } from "../api/types";

export interface Editing {
  text: string;
  /** The hash of the configuration that the author saw running. */
  base: string;
  /** The draft that this began with, by its instant; "" for none. */
  seen: string;
}

/** A draft that says what runs already is none. */
const draftOf = (whole: ConfigWhole): string | null => (whole.draft_yaml === whole.yaml ? null : whole.draft_yaml);

/** Where editing begins: at the draft, else at what runs. */
export function begun(whole: ConfigWhole): Editing {
  const draft = draftOf(whole);
  const base = draft === null ? whole.config.active : (whole.config.draft?.base ?? whole.config.active);
  return { text: draft ?? whole.yaml, base, seen: whole.config.draft?.at ?? "" };
}

export interface Standing {
  /** There is something that is not saved. */
  dirty: boolean;
  /** Somebody else saved another draft since. */
  taken: boolean;
  /** The gateway runs something else than what this was made from. */
  stale: boolean;
  /** It says what runs already. */
  same: boolean;
}

export function standing(mine: Editing, whole: ConfigWhole): Standing {
  const theirs = begun(whole);
  const same = mine.text === whole.yaml;
  const dirty = mine.text !== theirs.text || mine.base !== theirs.base;
  return { dirty, taken: dirty && mine.seen !== theirs.seen && mine.text !== theirs.text, stale: !same && mine.base !== whole.config.active, same };
}

/** What to show after the server has said something new: one's own text, unless there was nothing of one's own. */
export function followed(mine: Editing, before: ConfigWhole, now: ConfigWhole): Editing {
  return standing(mine, before).dirty ? mine : begun(now);
}

const STORE = "gatehouse.edit";

/** Keeps what is not saved over a reload of this tab, for this person; a telephone forgets a page that it does not show. */
export function remember(who: string, where: string, mine: Editing | null): void {
  if (mine === null) sessionStorage.removeItem(STORE);
  else sessionStorage.setItem(STORE, JSON.stringify({ who, where, ...mine }));
}

/** What was being written here, if it was this person and this gateway. */
export function recalled(who: string, where: string, stored: string | null): Editing | null {
  try {
    const held = JSON.parse(stored ?? "null") as (Editing & { who: unknown; where: unknown }) | null;
    if (held === null || held.who !== who || held.where !== where) return null;
    const { text, base, seen } = held;
    return [text, base, seen].every((one) => typeof one === "string") ? { text, base, seen } : null;
  } catch {
    return null;
  }
}

export const storedEdit = (): string | null => sessionStorage.getItem(STORE);

/** An offer that has not come to its end. */
export const isUnderWay = (state: string): boolean => ["pending", "sent", "staged", "applied"].includes(state);
export const isUntaken = (state: string): boolean => state === "pending" || state === "sent";
