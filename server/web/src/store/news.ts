/** What of a frame a guard must hear: pure. */

import type { Alarm } from "../api/types";
import type { Applied } from "./keyed";

export interface News {
  fresh: Alarm[];
  backlog: boolean;
}

/** New alarms, those that grew more severe, and those that came back after they were acknowledged; never repeats. */
export function newsOf(applied: readonly Applied<Alarm>[], backlog: boolean): News {
  const fresh = applied.filter(({ outcome, item, before }) => {
    if (outcome === "old" || outcome === "removed" || item.acked || item.suppressed_by) return false;
    if (item.condition !== "active" && item.state !== "new") return outcome === "new";
    if (!before) return true;
    return before.acked || rank(item.severity) < rank(before.severity) || Boolean(before.suppressed_by);
  });
  return { fresh: fresh.map((one) => one.item), backlog };
}

const ORDER = ["critical", "high", "medium", "low"] as const;

/** 0 is the most urgent; a severity that this page does not know counts as high. */
export function rank(severity: string): number {
  const at = (ORDER as readonly string[]).indexOf(severity);
  return at < 0 ? 1 : at;
}

export function severityOf(severity: string): (typeof ORDER)[number] {
  return ORDER[rank(severity)] ?? "high";
}

export const isFire = (alarm: Alarm): boolean => alarm.class === "fire";
/** Never acknowledged in bulk: life safety is looked at one by one. */
export const isFireSystem = (alarm: Alarm): boolean => alarm.class.startsWith("fire");
