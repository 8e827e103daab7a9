/** A device written into a site's text, with everything else left as somebody wrote it: pure, by lines. */

export interface NewDevice {
  id: string;
  profile: string;
  unit: number;
  /** Its own, in the place of the unit; empty where it has none. */
  address: string;
  name: string;
  building: string;
  floor: string;
  place: string;
  baud: number | null;
  parity: string | null;
}

const PLAIN = /^[A-Za-z][A-Za-z0-9_-]*$/;
const WORDS = new Set(["y", "n", "yes", "no", "on", "off", "true", "false", "null"]);

/** A text as YAML: bare where nobody could read it as something else. */
export const scalar = (text: string): string => (PLAIN.test(text) && !WORDS.has(text.toLowerCase()) ? text : JSON.stringify(text));

const indentOf = (line: string): number => line.length - line.trimStart().length;
const isEmpty = (line: string): boolean => line.trim() === "" || line.trimStart().startsWith("#");

function pairs(device: NewDevice): [string, string][] {
  const all: [string, string][] = [
    ["id", scalar(device.id)],
    ["profile", scalar(device.profile)],
    device.address ? ["address", JSON.stringify(device.address)] : ["unit", String(device.unit)],
    ["name", device.name && scalar(device.name)],
    ["building", device.building && scalar(device.building)],
    ["floor", device.floor && JSON.stringify(device.floor)],
    ["place", device.place && scalar(device.place)],
    ["baud", device.baud === null ? "" : String(device.baud)],
    ["parity", device.parity === null ? "" : JSON.stringify(device.parity)],
  ];
  return all.filter(([, value]) => value !== "");
}

/** The device as lines of a list, in the way in which its neighbour is written. */
export function written(device: NewDevice, indent: number, flow: boolean): string[] {
  const blank = " ".repeat(indent);
  const given = pairs(device);
  if (flow) return [`${blank}- {${given.map(([name, value]) => `${name}: ${value}`).join(", ")}}`];
  return given.map(([name, value], place) => `${blank}${place === 0 ? "- " : "  "}${name}: ${value}`);
}

/** Where a block ends that begins at `start`: after its last line that says something. */
function endOf(lines: readonly string[], start: number, inside: (line: string) => boolean): number {
  let end = start;
  for (let at = start; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    if (isEmpty(line)) continue;
    if (!inside(line)) break;
    end = at + 1;
  }
  return end;
}

interface Item {
  start: number;
  end: number;
  /** Where its keys stand. */
  keys: number;
}

function itemsOf(lines: readonly string[]): Item[] | null {
  const head = lines.findIndex((line) => /^lines:\s*(#.*)?$/.test(line));
  if (head < 0) return null;
  const first = lines.findIndex((line, at) => at > head && !isEmpty(line));
  const indent = first < 0 ? -1 : indentOf(lines[first] ?? "");
  if (first < 0 || !/^\s*- /.test(lines[first] ?? "")) return null;
  const isItem = (line: string) => indentOf(line) === indent && line.trimStart().startsWith("- ");
  const end = endOf(lines, first, (line) => indentOf(line) > indent || isItem(line));
  const starts = lines.flatMap((line, at) => (at >= first && at < end && isItem(line) ? [at] : []));
  return starts.map((start, place) => {
    const rest = (lines[start] ?? "").slice(indent + 1);
    return { start, end: starts[place + 1] ?? end, keys: indent + 1 + indentOf(rest) };
  });
}

/** The value of a key of an item and where it stands, whether on the line of the dash or below. */
function keyOf(lines: readonly string[], item: Item, name: string): { at: number; value: string } | null {
  for (let at = item.start; at < item.end; at += 1) {
    const line = lines[at] ?? "";
    const body = at === item.start ? line.slice(item.keys) : indentOf(line) === item.keys ? line.trimStart() : "";
    if (body.startsWith(`${name}:`)) return { at, value: body.slice(name.length + 1).replace(/\s+#.*$/, "").trim() };
  }
  return null;
}

const unquoted = (value: string): string => value.replace(/^(["'])(.*)\1$/, "$2");

/** The text with a device more on a line; null where the text is written in a way that this cannot follow. */
export function withDevice(text: string, line: string, device: NewDevice): string | null {
  const lines = text.replace(/\r\n/g, "\n").split("\n");
  const item = itemsOf(lines)?.find((one) => unquoted(keyOf(lines, one, "id")?.value ?? "") === line);
  if (!item) return null;
  const blank = " ".repeat(item.keys);
  const devices = keyOf(lines, item, "devices");
  if (!devices) {
    const end = endOf(lines.slice(0, item.end), item.start, () => true);
    lines.splice(end, 0, `${blank}devices:`, ...written(device, item.keys + 2, true));
    return lines.join("\n");
  }
  if (devices.value === "[]") {
    lines[devices.at] = (lines[devices.at] ?? "").replace(/devices:\s*\[\s*\]/, "devices:");
    lines.splice(devices.at + 1, 0, ...written(device, item.keys + 2, true));
    return lines.join("\n");
  }
  if (devices.value !== "") return null;
  const isDevice = (one: string) => indentOf(one) === item.keys && one.trimStart().startsWith("- ");
  const end = endOf(lines.slice(0, item.end), devices.at + 1, (one) => indentOf(one) > item.keys || isDevice(one));
  const neighbours = lines.slice(devices.at + 1, end).filter((one) => one.trimStart().startsWith("- "));
  const indent = neighbours.length > 0 ? Math.min(...neighbours.map(indentOf)) : item.keys + 2;
  const flow = neighbours.length === 0 || neighbours.some((one) => /^\s*- *\{/.test(one));
  lines.splice(Math.max(end, devices.at + 1), 0, ...written(device, indent, flow));
  return lines.join("\n");
}

/** An id that nothing in the text has yet. */
export function freeId(text: string, unit: number | string, others: readonly string[]): string {
  const taken = new Set([...others, ...[...text.matchAll(/\bid:\s*["']?([A-Za-z0-9_-]+)/g)].map((found) => found[1] ?? "")]);
  for (let n = 0; ; n += 1) {
    const id = n === 0 ? `m-${unit}` : `m-${unit}-${n + 1}`;
    if (!taken.has(id)) return id;
  }
}

export interface Doubt {
  line: number;
  kind: "tab" | "box" | "twice";
  what: string;
}

const BOX = ["site", "gateway", "broker", "timezone", "state_dir", "metrics", "journal", "profiles"];
const MOST_DOUBTS = 50;

/** What can be seen at once, before the gateway checks the text: tabs, keys that belong to the box, ids given twice. */
export function doubtsOf(text: string): Doubt[] {
  const found: Doubt[] = [];
  const ids = new Map<string, number>();
  for (const [at, line] of text.split("\n").entries()) {
    if (isEmpty(line)) continue;
    if (/^ *\t/.test(line)) found.push({ line: at + 1, kind: "tab", what: "" });
    const top = /^([a-z_]+):/.exec(line)?.[1];
    if (top !== undefined && BOX.includes(top)) found.push({ line: at + 1, kind: "box", what: top });
    const id = /^\s*- (?:\{ *)?id:\s*["']?([A-Za-z0-9_-]+)/.exec(line)?.[1];
    if (id !== undefined && ids.has(id)) found.push({ line: at + 1, kind: "twice", what: id });
    else if (id !== undefined) ids.set(id, at + 1);
  }
  return found.slice(0, MOST_DOUBTS);
}

/** Where a line begins and ends in a text, counted from 1. */
export function spanOf(text: string, line: number): [start: number, end: number] {
  const lines = text.split("\n");
  const at = Math.min(Math.max(line, 1), lines.length);
  const start = lines.slice(0, at - 1).reduce((sum, one) => sum + one.length + 1, 0);
  return [start, start + (lines[at - 1] ?? "").length];
}
