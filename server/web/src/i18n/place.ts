/** Where something is, the most particular first: what a guard runs to must never be cut off. */

import type { Key, Params } from "./text";

export interface Located {
  site: string;
  building: string;
  floor: string;
  place: string;
}

/** Whose it is: the device, and what of it. */
export function deviceText(of: { device: string; device_name: string; part: string; gateway: string }): string {
  return [of.device_name || of.device || of.gateway, of.part].filter(Boolean).join(" · ");
}

type T = (key: Key, params?: Params) => string;

function floorText(t: T, floor: string): string {
  if (/^-\d{1,2}$/.test(floor)) return t("place.basement", { n: floor.slice(1) });
  return /^[A-Za-z]?\d{1,3}$/.test(floor) ? t("place.floor", { n: floor }) : floor;
}

/** "B" is said as "Bldg B", "Tower 2" stays as it is. */
export function placeText(t: T, where: Located, parts: readonly (keyof Located)[] = ["building", "floor", "place"]): string {
  const said: Record<keyof Located, string> = {
    site: where.site,
    building: /^[A-Za-z0-9]{1,3}$/.test(where.building) ? t("place.building", { n: where.building }) : where.building,
    floor: floorText(t, where.floor),
    place: where.place,
  };
  return parts
    .map((part) => said[part])
    .filter(Boolean)
    .join(" · ");
}
