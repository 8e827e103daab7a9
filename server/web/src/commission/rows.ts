/** Rows of the tools, as far as the page reads them. A gateway of another version may say more, less, or otherwise. */

import type { Job, JobRow } from "../api/types";

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const count = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);
const objects = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null) : []);

export interface Match {
  profile: string;
  model: string;
  score: number;
  why: string;
}

export interface Found {
  n: number;
  unit: number;
  /** By which a device that names itself is read again; empty where its unit leads to it. */
  address: string;
  baud: number | null;
  parity: string | null;
  rttMs: number | null;
  answer: string;
  configured: string;
  identity: [name: string, value: string][];
  matches: Match[];
}

export function foundOf(row: JobRow): Found {
  const identity = typeof row.identity === "object" && row.identity !== null ? Object.entries(row.identity as Record<string, unknown>) : [];
  return {
    n: row.n,
    unit: count(row.unit) ?? 0,
    address: text(row.address),
    baud: count(row.baud),
    parity: typeof row.parity === "string" ? row.parity : null,
    rttMs: count(row.rtt_ms),
    answer: text(row.answer),
    configured: text(row.configured),
    identity: identity.map(([name, value]) => [name, text(value)]),
    matches: objects(row.profiles).map((one) => ({ profile: text(one.profile), model: `${text(one.vendor)} ${text(one.model)}`.trim(), score: count(one.score) ?? 0, why: text(one.why) })),
  };
}

export interface Guess {
  order: string;
  type: string;
  exp: number;
  value: string;
}

export interface PointRow {
  n: number;
  point: string;
  label: string;
  label_zh: string;
  value: string | boolean | null;
  unit: string;
  quality: string;
  raw: string;
  rttMs: number | null;
  trouble: string;
  where: string;
  type: string;
  order: string;
  guesses: Guess[];
}

const guess = (one: Record<string, unknown>): Guess => ({ order: text(one.order), type: text(one.type), exp: count(one.exp) ?? 0, value: text(one.value) });

export function pointOf(row: JobRow): PointRow {
  const address = count(row.address);
  return {
    n: row.n,
    point: text(row.point),
    label: text(row.label),
    label_zh: text(row.label_zh),
    value: typeof row.value === "boolean" ? row.value : typeof row.value === "string" ? row.value : null,
    unit: text(row.unit),
    quality: text(row.quality),
    raw: text(row.raw).toUpperCase(),
    rttMs: count(row.rtt_ms),
    trouble: text(row.trouble),
    where: address === null ? "" : `${text(row.table)} ${address} (0x${address.toString(16).toUpperCase().padStart(4, "0")})`.trim(),
    type: text(row.type),
    order: text(row.order),
    guesses: objects(row.orders).map(guess),
  };
}

export interface Frame {
  n: number;
  at: string;
  ms: number;
  dir: "tx" | "rx";
  unit: number | null;
  bytes: string;
  crc: "ok" | "bad" | "none";
  text: string;
}

export function frameOf(row: JobRow): Frame {
  return {
    n: row.n,
    at: text(row.at),
    ms: count(row.ms) ?? 0,
    dir: row.dir === "tx" ? "tx" : "rx",
    unit: count(row.unit),
    bytes: text(row.bytes).toUpperCase(),
    crc: row.crc === "ok" || row.crc === "bad" ? row.crc : "none",
    text: text(row.text),
  };
}

export interface FrameFilter {
  text: string;
  onlyBad: boolean;
  direction: string;
}

/** Whether a frame fits: `text` looks at the unit (`unit 7`), the bytes with or without blanks, and the decode. */
export function frameFits(frame: Frame, filter: FrameFilter): boolean {
  if (filter.onlyBad && frame.crc !== "bad") return false;
  if (filter.direction && frame.dir !== filter.direction) return false;
  const wanted = filter.text.trim().toLowerCase();
  if (wanted === "") return true;
  if (`unit ${frame.unit ?? "?"}`.includes(wanted) || frame.text.toLowerCase().includes(wanted)) return true;
  const bare = wanted.replace(/\s+/g, "");
  return /^[0-9a-f]+$/.test(bare) && frame.bytes.toLowerCase().replace(/\s+/g, "").includes(bare);
}

export interface Check {
  check: string;
  pass: boolean | null;
  planned: string;
  found: string;
  why: string;
}

export interface Certified {
  n: number;
  device: string;
  name: string;
  profile: string;
  pass: boolean;
  checks: Check[];
}

export const checkOf = (one: Record<string, unknown>): Check => ({ check: text(one.check), pass: typeof one.pass === "boolean" ? one.pass : null, planned: text(one.planned), found: text(one.found), why: text(one.why) });

export function certifiedOf(row: JobRow): Certified {
  return { n: row.n, device: text(row.device), name: text(row.name), profile: text(row.profile), pass: row.pass === true, checks: objects(row.checks).map(checkOf) };
}

/** Why a scan that is over found nothing: silence may be told only where everybody was asked and nothing came. */
export function nothingFound(job: Job): "cut" | "unread" | "empty" {
  if (job.state !== "done") return "cut";
  const { noise } = job.result ?? {};
  return typeof noise === "number" && noise > 0 ? "unread" : "empty";
}
