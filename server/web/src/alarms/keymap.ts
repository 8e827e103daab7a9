/** What a key means on the alarm page: pure. */

import type { Place } from "../ui/keyplace";

export type Command =
  | { do: "move"; by: number }
  | { do: "page"; by: number }
  | { do: "first" | "last" | "ack" | "bulk" | "resolve" | "mark" | "note" | "search" | "clear" | "hold" | "group" | "open" | "next" }
  | { do: "severity"; index: number };

const LETTERS: Record<string, Command> = {
  j: { do: "move", by: 1 },
  k: { do: "move", by: -1 },
  a: { do: "ack" },
  A: { do: "bulk" },
  r: { do: "resolve" },
  x: { do: "mark" },
  w: { do: "note" },
  "/": { do: "search" },
  h: { do: "hold" },
  g: { do: "group" },
  n: { do: "next" },
  "1": { do: "severity", index: 0 },
  "2": { do: "severity", index: 1 },
  "3": { do: "severity", index: 2 },
  "4": { do: "severity", index: 3 },
};

const IN_GRID: Record<string, Command> = {
  ArrowDown: { do: "move", by: 1 },
  ArrowUp: { do: "move", by: -1 },
  PageDown: { do: "page", by: 1 },
  PageUp: { do: "page", by: -1 },
  Home: { do: "first" },
  End: { do: "last" },
  Enter: { do: "open" },
  " ": { do: "mark" },
};

/** What a key means here, or nothing: pure. */
export function commandOf(key: string, place: Place, letters: boolean): Command | null {
  if (key === "Escape") return { do: "clear" };
  if (place === "field") return null;
  if (place === "grid" && Object.hasOwn(IN_GRID, key)) return IN_GRID[key] ?? null;
  if (letters && Object.hasOwn(LETTERS, key)) return LETTERS[key] ?? null;
  return null;
}
