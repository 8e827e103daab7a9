/** Site > building > gateway > line > device, with the worst of what is below at each place: pure. */

import type { Alarm, Device, Gateway, Severity } from "../api/types";
import { rank, severityOf } from "../store/news";

export type Kind = "site" | "building" | "gateway" | "line" | "device";

export interface Node {
  id: string;
  kind: Kind;
  name: string;
  level: number;
  children: Node[];
  /** Of all open alarms below, the most urgent one's severity. */
  worst: Severity | null;
  alarms: number;
  /** Of those, nobody has acknowledged. */
  waiting: number;
  offline: number;
  total: number;
  device: Device | null;
  gateway: { site: string; id: string } | null;
}

export interface OpenAlarms {
  worst: Severity;
  count: number;
  waiting: number;
}

/** Open alarms by `site/device`: the page counts them itself, since an alarm changes without its device. */
export function alarmsByDevice(alarms: readonly Alarm[]): Map<string, OpenAlarms> {
  const result = new Map<string, OpenAlarms>();
  for (const alarm of alarms) {
    const key = `${alarm.site}/${alarm.device}`;
    const severity = severityOf(alarm.severity);
    const old = result.get(key);
    const waiting = alarm.acked ? 0 : 1;
    if (!old) result.set(key, { worst: severity, count: 1, waiting });
    else result.set(key, { worst: rank(severity) < rank(old.worst) ? severity : old.worst, count: old.count + 1, waiting: old.waiting + waiting });
  }
  return result;
}

const isLost = (device: Device): boolean => device.conn === "offline" || device.conn === "unreachable";

function branch(id: string, kind: Kind, name: string, level: number): Node {
  return { id, kind, name, level, children: [], worst: null, alarms: 0, waiting: 0, offline: 0, total: 0, device: null, gateway: null };
}

function child(parent: Node, key: string, kind: Kind, name: string): Node {
  const id = `${parent.id}/${key}`;
  const found = parent.children.find((one) => one.id === id);
  if (found) return found;
  const made = branch(id, kind, name, parent.level + 1);
  parent.children.push(made);
  return made;
}

function rollUp(node: Node): void {
  for (const one of node.children) {
    rollUp(one);
    node.alarms += one.alarms;
    node.waiting += one.waiting;
    node.offline += one.offline;
    node.total += one.total;
    if (one.worst && (node.worst === null || rank(one.worst) < rank(node.worst))) node.worst = one.worst;
  }
}

const byName = new Intl.Collator(undefined, { numeric: true });

function sorted(node: Node): void {
  node.children.sort((a, b) => byName.compare(a.name, b.name));
  for (const one of node.children) sorted(one);
}

export function build(devices: readonly Device[], gateways: readonly Gateway[], open: ReadonlyMap<string, OpenAlarms>): Node[] {
  const root = branch("", "site", "", 0);
  for (const device of devices) {
    const site = child(root, `s:${device.site}`, "site", device.site);
    const building = child(site, `b:${device.building}`, "building", device.building);
    const gateway = child(building, `g:${device.gateway}`, "gateway", device.gateway);
    gateway.gateway = { site: device.site, id: device.gateway };
    const line = child(gateway, `l:${device.line}`, "line", device.line);
    const leaf = child(line, `d:${device.id}`, "device", device.name || device.id);
    const alarms = open.get(`${device.site}/${device.id}`);
    leaf.device = device;
    leaf.total = 1;
    leaf.offline = isLost(device) ? 1 : 0;
    leaf.alarms = alarms?.count ?? 0;
    leaf.waiting = alarms?.waiting ?? 0;
    leaf.worst = alarms?.worst ?? null;
  }
  // A gateway without devices must be seen too: it is what a new site looks like.
  const used = new Set(devices.map((device) => `${device.site}/${device.gateway}`));
  for (const gateway of gateways) {
    if (used.has(`${gateway.site}/${gateway.id}`)) continue;
    const site = child(root, `s:${gateway.site}`, "site", gateway.site);
    child(site, `g:${gateway.id}`, "gateway", gateway.id).gateway = { site: gateway.site, id: gateway.id };
  }
  for (const gateway of gateways) {
    const own = open.get(`${gateway.site}/${gateway.id}`);
    if (own) addOwn(root, gateway, own);
  }
  rollUp(root);
  sorted(root);
  return root.children;
}

/** An alarm of the gateway itself is shown once, at its first place in the tree. */
function addOwn(node: Node, gateway: Gateway, own: OpenAlarms): boolean {
  if (node.gateway?.id === gateway.id && node.gateway.site === gateway.site) {
    node.alarms += own.count;
    node.waiting += own.waiting;
    node.worst = own.worst;
    return true;
  }
  return node.children.some((one) => addOwn(one, gateway, own));
}

function hit(node: Node, words: readonly string[]): boolean {
  const device = node.device;
  const text = [node.name, device?.id, device?.vendor, device?.model, device?.place, device?.floor, device?.class, device?.meter?.metering_point, device?.meter?.serial]
    .join("\n")
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

/** What is left of the tree when only matches, and the way to them, are kept. */
export function pruned(nodes: readonly Node[], text: string, trouble: boolean): Node[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0 && !trouble) return [...nodes];
  const keep = (node: Node, whole: boolean): Node | null => {
    const all = whole || (words.length > 0 && hit(node, words));
    if (node.kind === "device") {
      const fits = (words.length === 0 || all) && (!trouble || node.alarms > 0 || node.offline > 0);
      return fits ? node : null;
    }
    const children = node.children.flatMap((one) => keep(one, all) ?? []);
    return children.length > 0 || (node.kind === "gateway" && node.children.length === 0 && all) ? { ...node, children } : null;
  };
  return nodes.flatMap((node) => keep(node, false) ?? []);
}

/** The rows that are in sight, top to bottom. */
export function flat(nodes: readonly Node[], isOpen: (node: Node) => boolean): Node[] {
  return nodes.flatMap((node) => [node, ...(node.children.length > 0 && isOpen(node) ? flat(node.children, isOpen) : [])]);
}

export const selectionOf = (node: Node): string | null => {
  if (node.device) return `device:${node.device.site}/${node.device.id}`;
  return node.kind === "gateway" && node.gateway ? `gateway:${node.gateway.site}/${node.gateway.id}` : null;
};
