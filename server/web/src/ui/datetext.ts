/** Dates as they are typed: `YYYY-MM-DD` in every language, forgiving in what stands between. Pure. */

import { instantIn, type Wall, wallOf } from "../i18n/time";

const two = (n: number) => String(n).padStart(2, "0");
const DAY = /^(\d{4})(?:[-/.年\s]\s?(\d{1,2})[-/.月\s]\s?(\d{1,2})日?|(\d{2})(\d{2}))$/;
const CLOCK = /^(\d{1,2})[:：](\d{2})(?:[:：](\d{2}))?$/;

/** `YYYY-MM-DD`, or nothing when it is no day of the calendar. */
export function parseDay(text: string): string | null {
  const found = DAY.exec(text.trim());
  if (!found) return null;
  const [year, month, day] = [found[1], found[2] ?? found[4], found[3] ?? found[5]].map(Number) as [number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  if (year < 1971 || year > 2199 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  return `${year}-${two(month)}-${two(day)}`;
}

/** `YYYY-MM-DD HH:MM`, with seconds where there are any; a day alone begins at midnight. */
export function parseMoment(text: string): string | null {
  const whole = parseDay(text);
  if (whole) return `${whole} 00:00`;
  const cut = /^(.*\S)[T\s]\s*(\S+)$/.exec(text.trim());
  const day = parseDay(cut?.[1] ?? "");
  const clock = CLOCK.exec(cut?.[2] ?? "");
  if (!day || !clock) return null;
  const [hour, minute, second] = [clock[1], clock[2], clock[3] ?? 0].map(Number) as [number, number, number];
  if (hour > 23 || minute > 59 || second > 59) return null;
  return `${day} ${two(hour)}:${two(minute)}${second === 0 ? "" : `:${two(second)}`}`;
}

export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

/** The same time of another day. */
export const addDaysTo = (text: string, days: number): string => `${addDays(text.slice(0, 10), days)}${text.slice(10)}`;

function wall(moment: string): Wall {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = moment.split(/[- :]/).map(Number);
  return { year, month, day, hour, minute, second };
}

/** What is typed, as an instant of that zone; nothing when it is no time. */
export function instantOf(text: string | null, zone: string): string | null {
  const moment = text === null ? null : parseMoment(text);
  return moment === null ? null : new Date(instantIn(wall(moment), zone)).toISOString();
}

/** The instant as it would be typed there, to the minute. */
export function momentIn(ms: number, zone: string): string {
  const { year, month, day, hour, minute } = wallOf(ms, zone);
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}`;
}
