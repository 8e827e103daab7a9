/** Times as people read them: local, with zone and full date at hand. */

import type { Language } from "./text";

const two = (n: number) => String(n).padStart(2, "0");

function parts(iso: string): Date | null {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? null : date;
}

const dayOf = (date: Date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
const clockOf = (date: Date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

/** Of today the time alone; of another day the date too. */
export function shortTime(iso: string | null, now = new Date()): string {
  const date = iso === null ? null : parts(iso);
  if (!date) return "–";
  if (dayOf(date) === dayOf(now)) return clockOf(date);
  const year = date.getFullYear() === now.getFullYear() ? "" : `${date.getFullYear()}-`;
  return `${year}${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

export function longTime(iso: string | null): string {
  const date = iso === null ? null : parts(iso);
  return date ? `${dayOf(date)} ${clockOf(date)}` : "–";
}

/** Date, time and zone: for the hover text. */
export function fullTime(iso: string | null, language: Language): string {
  const date = iso === null ? null : parts(iso);
  if (!date) return "";
  return new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", { dateStyle: "full", timeStyle: "long" }).format(date);
}
