/** A value as it may be shown: never an old one as if it were now. Pure. */

import type { Point } from "../api/types";

export type Freshness = "fresh" | "stale" | "unknown";

const LEAST_MS = 30_000;

/** Three periods without a value, and half a minute at least, make it stale; so does a quality that says so. */
export function freshness(point: Point, nowMs: number): Freshness {
  if (point.value === null || point.at === null || point.quality === null) return "unknown";
  if (point.quality !== "good") return point.quality.startsWith("bad") ? "unknown" : "stale";
  const limit = Math.max(3_000 * (point.period_s ?? 0), LEAST_MS);
  return nowMs - Date.parse(point.at) > limit ? "stale" : "fresh";
}
