/** A point's history as a chart draws it: pure. Numbers are floats only here, on their way to pixels. */

import type { History, PointValue } from "../api/types";

export interface Series {
  /** Seconds since 1970. */
  x: number[];
  y: (number | null)[];
}

export function numberOf(value: PointValue): number | null {
  if (value === null) return null;
  if (typeof value === "boolean") return value ? 1 : 0;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** Unknown values and silences are holes in the line, not straight lines across what nobody knows. */
export function seriesOf(rows: History["rows"], periodS: number): Series {
  const x: number[] = [];
  const y: (number | null)[] = [];
  const steps = rows.slice(1).map((row, index) => row[0] - (rows[index]?.[0] ?? 0)).sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)] ?? 0;
  const hole = Math.max(30_000, 3_000 * periodS, 4 * usual);
  let last: number | null = null;
  for (const [t, value] of rows) {
    if (last !== null && t - last > hole) {
      x.push((last + 1) / 1000);
      y.push(null);
    }
    x.push(t / 1000);
    y.push(numberOf(value));
    last = t;
  }
  return { x, y };
}

export interface Summary {
  min: string;
  max: string;
  last: string;
}

/** Lowest, highest and last as they were read, digit for digit. */
export function summaryOf(rows: History["rows"]): Summary | null {
  const known = rows.filter((row) => numberOf(row[1]) !== null);
  const first = known[0];
  if (!first) return null;
  let [min, max] = [first, first];
  for (const row of known) {
    if ((numberOf(row[1]) as number) < (numberOf(min[1]) as number)) min = row;
    if ((numberOf(row[1]) as number) > (numberOf(max[1]) as number)) max = row;
  }
  return { min: String(min[1]), max: String(max[1]), last: String((known[known.length - 1] as typeof first)[1]) };
}
