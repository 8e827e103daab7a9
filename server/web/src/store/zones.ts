/** In which zone the times of a site are read: that of the site, wherever the person sits. */

import { browserZone, isZone } from "../i18n/time";
import { Signal } from "./signal";
import { gateways } from "./stores";
import { type Zones, zonesOf } from "./zonemap";

let otherwise = browserZone();
export const zones = new Signal<Zones>(zonesOf([], otherwise));

function again(): void {
  const next = zonesOf(gateways.all(), otherwise);
  const same = (one: Zones) => JSON.stringify([[...one.bySite], one.usual, one.several]);
  if (same(next) !== same(zones.get())) zones.set(next);
}

gateways.subscribe(again);

/** What the server says of sites that have not told their zone. */
export function setUsualZone(name: string | undefined): void {
  if (name === undefined || !isZone(name)) return;
  otherwise = name;
  again();
}
