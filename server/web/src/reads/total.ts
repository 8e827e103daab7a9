/** Totals and selection of period reads: pure, exact. */

import type { ReadRow } from "../api/types";
import { dayIn } from "../i18n/time";
import { sum } from "./decimal";

export interface UnitTotal {
  unit: string;
  registers: number;
  total: string | null;
}

export function totals(rows: readonly ReadRow[]): UnitTotal[] {
  const byUnit = new Map<string, string[]>();
  for (const row of rows) {
    if (row.consumption === null) continue;
    const list = byUnit.get(row.unit);
    if (list) list.push(row.consumption);
    else byUnit.set(row.unit, [row.consumption]);
  }
  return [...byUnit]
    .map(([unit, values]) => ({ unit, registers: values.length, total: sum(values) }))
    .sort((a, b) => (a.unit < b.unit ? -1 : 1));
}

export interface Coverage {
  ready: number;
  provisional: number;
  held: number;
  missing: number;
}

export function coverage(rows: readonly ReadRow[]): Coverage {
  const count = (state: ReadRow["state"]) => rows.filter((row) => row.state === state).length;
  return { ready: count("ready"), provisional: count("provisional"), held: count("held"), missing: count("missing") };
}

export const needsLook = (row: ReadRow): boolean => row.state === "held" || row.state === "missing" || row.quality === "missing";

/** The latest months, newest first: `latest` and those before it; `chosen` is among them wherever it lies. */
export function monthsUpTo(latest: string, count: number, chosen: string): string[] {
  const [year = 0, month = 1] = latest.split("-").map(Number);
  const months = Array.from({ length: count }, (_, back) => new Date(Date.UTC(year, month - 1 - back, 1)).toISOString().slice(0, 7));
  return months.includes(chosen) ? months : [...months, chosen].sort().reverse();
}

/** The month there, as the feed names it. */
export const monthIn = (ms: number, zone: string): string => dayIn(ms, zone).slice(0, 7);
