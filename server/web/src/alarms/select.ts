/** Filter, order, group and count: pure functions of the open alarms. */

import type { Alarm, Severity } from "../api/types";
import { isFire, isFireSystem, rank, severityOf } from "../store/news";

export type Sort = "urgent" | "newest";
export type StateFilter = "" | "new" | "acked" | "cleared" | "latched" | "suppressed";

export interface Filters {
  severities: readonly Severity[];
  site: string;
  building: string;
  cls: string;
  state: StateFilter;
  text: string;
  sort: Sort;
  group: boolean;
}

export const NO_FILTERS: Filters = {
  severities: [],
  site: "",
  building: "",
  cls: "",
  state: "",
  text: "",
  sort: "urgent",
  group: false,
};

export interface Row {
  id: string;
  alarm: Alarm;
  /** Ids of a group of similar alarms, this one first; empty for a row of its own. */
  members: string[];
  /** A member that is shown under its opened group. */
  inside: boolean;
  /** Where a group of parts of one device began. */
  first?: string;
}

/** So many parts of one device in alarm are read one by one; more of them hide whatever else is open. */
export const PARTS_ALONE = 5;

const FLOOD_WINDOW_MS = 10 * 60_000;
export const FLOOD_LIMIT = 10;
export const BULK_LIMIT = 500;

function textOf(alarm: Alarm): string {
  return [alarm.device, alarm.device_name, alarm.part, alarm.code, alarm.label, alarm.label_zh, alarm.place, alarm.floor, alarm.building, alarm.site]
    .join("\n")
    .toLowerCase();
}

function passes(alarm: Alarm, filters: Filters, words: readonly string[]): boolean {
  if (filters.state === "suppressed" ? !alarm.suppressed_by : alarm.suppressed_by) return false;
  if (filters.state && filters.state !== "suppressed" && alarm.state !== filters.state) return false;
  if (filters.site && alarm.site !== filters.site) return false;
  if (filters.building && alarm.building !== filters.building) return false;
  if (filters.cls && alarm.class !== filters.cls) return false;
  if (words.length === 0) return true;
  const text = textOf(alarm);
  return words.every((word) => text.includes(word));
}

function compare(sort: Sort): (a: Alarm, b: Alarm) => number {
  const newest = (a: Alarm, b: Alarm) =>
    a.raised_at < b.raised_at ? 1 : a.raised_at > b.raised_at ? -1 : Number(b.id) - Number(a.id) || 0;
  if (sort === "newest") return newest;
  return (a, b) =>
    rank(a.severity) - rank(b.severity) ||
    Number(isFire(b)) - Number(isFire(a)) ||
    Number(a.acked) - Number(b.acked) ||
    newest(a, b);
}

/** The alarms that pass all filters but severity: what the chips count. */
export function within(alarms: readonly Alarm[], filters: Filters): Alarm[] {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  return alarms.filter((alarm) => passes(alarm, filters, words));
}

export function select(scoped: readonly Alarm[], filters: Filters): Alarm[] {
  const wanted = new Set<string>(filters.severities);
  const list = wanted.size === 0 ? [...scoped] : scoped.filter((alarm) => wanted.has(severityOf(alarm.severity)));
  return list.sort(compare(filters.sort));
}

/** Not acknowledged, by severity. */
export function counts(alarms: readonly Alarm[]): Record<Severity, number> {
  const result: Record<Severity, number> = { critical: 0, high: 0, medium: 0, low: 0 };
  for (const alarm of alarms) if (!alarm.acked) result[severityOf(alarm.severity)] += 1;
  return result;
}

const partsKey = (alarm: Alarm): string => ["parts", alarm.site, alarm.device, alarm.code, alarm.severity].join("|");

/** Which devices have so many parts in alarm for the same thing that they are one row. */
function crowds(list: readonly Alarm[]): ReadonlySet<string> {
  const sizes = new Map<string, number>();
  for (const alarm of list) if (alarm.part) sizes.set(partsKey(alarm), (sizes.get(partsKey(alarm)) ?? 0) + 1);
  return new Set([...sizes].filter(([, size]) => size > PARTS_ALONE).map(([key]) => key));
}

/** The part with which a crowd began: the newest is on top of the list, but a fire is where it was first. */
function firstPart(members: readonly Alarm[]): string {
  return members.reduce((a, b) => (b.raised_at < a.raised_at || (b.raised_at === a.raised_at && Number(b.id) < Number(a.id)) ? b : a)).part;
}

/** Alike: same place and same kind. Critical and fire stand alone, on top as they were sorted, but for crowds of parts of one device. */
export function grouped(list: readonly Alarm[], opened: ReadonlySet<string>): Row[] {
  const groups = new Map<string, Alarm[]>();
  const crowded = crowds(list);
  for (const alarm of list) {
    const alone = severityOf(alarm.severity) === "critical" || isFireSystem(alarm);
    const parts = alarm.part ? partsKey(alarm) : "";
    const key = crowded.has(parts) ? parts : alone ? `one|${alarm.id}` : ["like", alarm.site, alarm.building, alarm.class, alarm.code, alarm.severity].join("|");
    const group = groups.get(key);
    if (group) group.push(alarm);
    else groups.set(key, [alarm]);
  }
  return [...groups].flatMap(([key, members]): Row[] => {
    const first = members[0] as Alarm;
    if (members.length === 1) return [{ id: String(first.id), alarm: first, members: [], inside: false }];
    const head: Row = { id: key, alarm: first, members: members.map((alarm) => String(alarm.id)), inside: false };
    if (key.startsWith("parts|")) head.first = firstPart(members);
    if (!opened.has(key)) return [head];
    return [head, ...members.map((alarm): Row => ({ id: String(alarm.id), alarm, members: [], inside: true }))];
  });
}

export function ungrouped(list: readonly Alarm[]): Row[] {
  return list.map((alarm) => ({ id: String(alarm.id), alarm, members: [], inside: false }));
}

/** New alarms of the last ten minutes (EEMUA 191 calls more than ten for one operator a flood). */
export function recent(alarms: readonly Alarm[], nowMs: number): number {
  let count = 0;
  for (const alarm of alarms) {
    if (!alarm.suppressed_by && nowMs - Date.parse(alarm.raised_at) <= FLOOD_WINDOW_MS) count += 1;
  }
  return count;
}

export interface BulkPlan {
  ids: string[];
  /** Left out because life safety and critical alarms are acknowledged one by one. */
  critical: number;
  /** Left out because somebody has acknowledged them. */
  done: number;
  /** Left out because one step takes 500 at most. */
  over: number;
}

export function bulkPlan(list: readonly Alarm[]): BulkPlan {
  const plan: BulkPlan = { ids: [], critical: 0, done: 0, over: 0 };
  for (const alarm of list) {
    if (alarm.acked) plan.done += 1;
    else if (severityOf(alarm.severity) === "critical" || isFireSystem(alarm)) plan.critical += 1;
    else if (plan.ids.length >= BULK_LIMIT) plan.over += 1;
    else plan.ids.push(alarm.id);
  }
  return plan;
}

/** Why an alarm may not be closed yet: a text's key; null for one that may. */
export function whyNotClosed(alarm: Alarm): "detail.activehelp" | "detail.ackfirst" | null {
  if (alarm.condition === "active" && !alarm.by_hand) return "detail.activehelp";
  return alarm.acked ? null : "detail.ackfirst";
}

/** The next row that nobody has acknowledged, after `from`, around the end. */
export function nextOpen(rows: readonly Row[], from: number): number {
  for (let step = 1; step <= rows.length; step += 1) {
    const at = (from + step) % rows.length;
    if (rows[at]?.alarm.acked === false) return at;
  }
  return -1;
}
