/** Why something is so, in the page's language. The gateway's and the server's words are English; those known are said again. */

import { CERTIFICATES } from "./said/certify";
import { COMMANDS } from "./said/commands";
import { CONFIGS } from "./said/configs";
import { DETAILS, PARTS } from "./said/details";
import { GATEWAYS } from "./said/gateways";
import type { Rule } from "./said/rule";
import { TOOLS } from "./said/tools";
import type { Language } from "./text";

const RULES: readonly Rule[] = [...GATEWAYS, ...CONFIGS, ...COMMANDS, ...TOOLS, ...CERTIFICATES, ...DETAILS];
const LONGEST = 2000;

function known(rules: readonly Rule[], why: string): string | null {
  for (const [pattern, say] of rules) {
    const found = pattern.exec(why);
    const said = found && say(found.slice(1), chinese);
    if (said !== null) return said;
  }
  return null;
}

/** A text of parts is said part by part; what no part of is known stays as it came. */
function inParts(why: string): string {
  const parts = why.split(/(, |; )/);
  const said = parts.map((part, at) => (at % 2 ? null : known(PARTS, part)));
  if (said.every((part) => part === null)) return why;
  return parts.map((part, at) => said[at] ?? (at % 2 ? (part === ", " ? "，" : "；") : part)).join("");
}

function chinese(why: string): string {
  return why.length > LONGEST ? why : (known(RULES, why) ?? inParts(why));
}

/** Say a cause, a detail or a machine's note; never what a person has written. */
export function causeText(language: Language, why: string): string {
  return language === "zh" ? chinese(why) : why;
}

/** What people do: the note beside it is theirs, word for word. */
const BY_PEOPLE = new Set(["ack", "close", "closed-by-hand"]);

/** Say what stands beside a line of an alarm's journal. */
export function noteText(language: Language, action: string, note: string): string {
  return BY_PEOPLE.has(action) ? note : causeText(language, note);
}
