/** The pages: one entry each, in the order of the menu. README.md says how to add one. */

import type { ComponentType } from "react";
import { AlarmsPage } from "../alarms/page";
import type { Role } from "../api/types";
import { CommissionPage } from "../commission/page";
import { DevicesPage } from "../devices/page";
import type { Key } from "../i18n/text";
import { RecordsPage } from "../records/page";
import { ReadsPage } from "../reads/page";
import { may } from "./roles";

export type KeyLine = readonly [keys: string, text: Key];

export interface PageEntry {
  /** Where it lives; `server/api/pages.py` must know the path too. */
  path: string;
  nav: Key;
  /** What a phone's menu calls it. */
  short: Key;
  /** The least role that sees it in the menu; the server decides what it may do. */
  needs: Role;
  View: ComponentType<{ role: Role }>;
  /** What the help says of its keys. */
  keys: readonly KeyLine[];
}

const ALARM_KEYS: readonly KeyLine[] = [
  ["j k ↓ ↑", "keys.move"],
  ["PgDn PgUp Home End", "keys.page"],
  ["Enter", "keys.enter"],
  ["a", "keys.ack"],
  ["w", "keys.note"],
  ["n", "keys.next"],
  ["r", "keys.resolve"],
  ["x Space", "keys.mark"],
  ["A", "keys.bulk"],
  ["1 2 3 4", "keys.sev"],
  ["/", "keys.search"],
  ["Esc", "keys.esc"],
  ["h", "keys.hold"],
  ["g", "keys.group"],
];

const TREE_KEYS: readonly KeyLine[] = [
  ["↓ ↑ Home End", "keys.treemove"],
  ["→ ←", "keys.treeopen"],
  ["Enter", "keys.treepick"],
];

const DATE_KEYS: readonly KeyLine[] = [["↓ ↑", "keys.date"]];

export const PAGES: readonly PageEntry[] = [
  { path: "/alarms", nav: "nav.alarms", short: "nav.alarms", needs: "viewer", View: AlarmsPage, keys: ALARM_KEYS },
  { path: "/devices", nav: "nav.devices", short: "nav.devices", needs: "viewer", View: DevicesPage, keys: TREE_KEYS },
  { path: "/records", nav: "nav.records", short: "nav.records.short", needs: "viewer", View: RecordsPage, keys: DATE_KEYS },
  { path: "/reads", nav: "nav.reads", short: "nav.reads.short", needs: "viewer", View: ReadsPage, keys: DATE_KEYS },
  { path: "/commission", nav: "nav.commission", short: "nav.commission.short", needs: "engineer", View: CommissionPage, keys: [] },
];

/** The page of an address; the first one for an address that has none, or none for this role. */
export function pageOf(path: string, role: Role): PageEntry {
  const fits = (page: PageEntry) => (path === page.path || path.startsWith(`${page.path}/`)) && may(role, page.needs);
  return PAGES.find(fits) ?? (PAGES[0] as PageEntry);
}

export const pagesFor = (role: Role): PageEntry[] => PAGES.filter((page) => may(role, page.needs));
