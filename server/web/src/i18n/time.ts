/** Times as people on the site read them: in the site's zone, with zone and full date at hand. Pure. */

import type { Language } from "./text";

const two = (n: number) => String(n).padStart(2, "0");

export interface Wall {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const found = formats.get(zone);
  if (found) return found;
  const parts = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" } as const;
  const made = new Intl.DateTimeFormat("en-US", { ...parts, timeZone: zone, hourCycle: "h23", calendar: "gregory", numberingSystem: "latn" });
  formats.set(zone, made);
  return made;
}

/** True for a zone that this browser can reckon with. */
export function isZone(name: string): boolean {
  try {
    return name !== "" && formatOf(name) !== undefined;
  } catch {
    return false;
  }
}

export const browserZone = (): string => new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** What the clocks on the wall show there at that instant. */
export function wallOf(ms: number, zone: string): Wall {
  const read: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(ms)) read[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = read;
  return { year, month, day, hour, minute, second };
}

const asUtc = (wall: Wall): number => Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);

/** Minutes that the zone is ahead of UTC at that instant. */
export function offsetOf(ms: number, zone: string): number {
  return Math.round((asUtc(wallOf(ms, zone)) - Math.floor(ms / 1000) * 1000) / 60_000);
}

/** "UTC+8", "UTC−3:30". */
export function offsetText(ms: number, zone: string): string {
  const minutes = offsetOf(ms, zone);
  if (minutes === 0) return "UTC";
  const [whole, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? "\u2212" : "+"}${whole}${rest === 0 ? "" : `:${two(rest)}`}`;
}

/** The instant at which the clocks there show this: the first of two in autumn, the one after the jump in spring. */
export function instantIn(wall: Wall, zone: string): number {
  const naive = asUtc(wall);
  const before = naive - offsetOf(naive - 86_400_000, zone) * 60_000;
  const after = naive - offsetOf(naive + 86_400_000, zone) * 60_000;
  const fits = [before, after].filter((ms) => asUtc(wallOf(ms, zone)) === naive);
  return fits.length > 0 ? Math.min(...fits) : before;
}

function msOf(iso: string | null): number | null {
  const ms = iso === null ? Number.NaN : Date.parse(iso);
  return Number.isNaN(ms) ? null : ms;
}

const dateOf = (wall: Wall) => `${wall.year}-${two(wall.month)}-${two(wall.day)}`;
const clockOf = (wall: Wall) => `${two(wall.hour)}:${two(wall.minute)}:${two(wall.second)}`;

/** Which day it is there: `YYYY-MM-DD`. */
export const dayIn = (ms: number, zone: string): string => dateOf(wallOf(ms, zone));

/** Of today the time alone; of another day the date too. */
export function shortTime(iso: string | null, zone: string, nowMs = Date.now()): string {
  const ms = msOf(iso);
  if (ms === null) return "–";
  const [wall, now] = [wallOf(ms, zone), wallOf(nowMs, zone)];
  if (dateOf(wall) === dateOf(now)) return clockOf(wall);
  const year = wall.year === now.year ? "" : `${wall.year}-`;
  return `${year}${two(wall.month)}-${two(wall.day)} ${two(wall.hour)}:${two(wall.minute)}`;
}

export function longTime(iso: string | null, zone: string): string {
  const ms = msOf(iso);
  if (ms === null) return "–";
  const wall = wallOf(ms, zone);
  return `${dateOf(wall)} ${clockOf(wall)}`;
}

/** Date, time and zone: for the hover text. */
export function fullTime(iso: string | null, zone: string, language: Language): string {
  const ms = msOf(iso);
  if (ms === null) return "";
  const text = new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", { dateStyle: "full", timeStyle: "medium", timeZone: zone }).format(ms);
  return `${text} ${offsetText(ms, zone)}${language === "zh" ? "" : ` (${zone})`}`;
}
