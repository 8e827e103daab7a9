/** A command's end: how long it is waited for, and what it is called. */

import type { Command } from "../api/types";

const GIVE_UP_MS = 90_000;
/** The server itself gives up after its own grace; its word for that is worth waiting for. */
const BEYOND_MS = 30_000;

/** How long the device may be on its way after the command has begun, in seconds; 0 where it answers at once. */
export function takesS(command: Command): number {
  const span = Date.parse(command.answer_by ?? "") - Date.parse(command.until ?? "");
  return span > 0 ? Math.round(span / 1000) : 0;
}

/** For how long the page asks: longer than the server does. */
export function giveUpMs(command: Command): number {
  const span = Date.parse(command.answer_by ?? "") - Date.parse(command.created_at ?? "");
  return Number.isNaN(span) ? GIVE_UP_MS : Math.max(GIVE_UP_MS, span + BEYOND_MS);
}

/** Its state in words: what did not show in its time has not failed, as far as anybody knows. */
export function outcomeWord(command: Command): string {
  if (/^not confirmed within /.test(command.detail ?? "")) return "notconfirmed";
  return command.state === "failed" ? "failed.state" : command.state;
}
