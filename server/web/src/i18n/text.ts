/** Text by key, with its parameters put in: pure. */

import { en } from "./en";
import { zh } from "./zh";

export type Language = "en" | "zh";
export type Key = keyof typeof en;
export type Params = Record<string, string | number>;

export function translate(language: Language, key: Key, params: Params = {}): string {
  const text: string = language === "zh" ? zh[key] : en[key];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in params ? String(params[name]) : whole));
}

/** "3 min": the largest unit that says it. */
export function ageText(language: Language, ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return translate(language, "age.s", { n: s });
  if (s < 7200) return translate(language, "age.min", { n: Math.floor(s / 60) });
  if (s < 172_800) return translate(language, "age.h", { n: Math.floor(s / 3600) });
  return translate(language, "age.d", { n: Math.floor(s / 86_400) });
}
