/** Which zone belongs to which site: pure. */

import type { Gateway } from "../api/types";
import { isZone } from "../i18n/time";

export interface Zones {
  bySite: ReadonlyMap<string, string>;
  /** Of what belongs to no site: the zone of all sites, or the server's where they differ. */
  usual: string;
  /** Sites in several zones: a time says its own. */
  mixed: boolean;
  /** More than one site: a place says its own. */
  several: boolean;
}

export function zonesOf(list: readonly Pick<Gateway, "site" | "id" | "timezone">[], otherwise: string): Zones {
  const bySite = new Map<string, string>();
  for (const gateway of [...list].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (!bySite.has(gateway.site) && isZone(gateway.timezone)) bySite.set(gateway.site, gateway.timezone);
  }
  const distinct = new Set(bySite.values());
  const [only] = distinct;
  return { bySite, usual: distinct.size === 1 && only !== undefined ? only : otherwise, mixed: distinct.size > 1, several: new Set(list.map((gateway) => gateway.site)).size > 1 };
}

export const zoneOf = (zones: Zones, site?: string): string => (site === undefined ? undefined : zones.bySite.get(site)) ?? zones.usual;
