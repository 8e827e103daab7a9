/** Where something is, the most particular first: what a guard runs to must never be cut off. */

import type { Key, Params } from "./text";

export interface Located {
  site: string;
  building: string;
  floor: string;
  place: string;
}

type T = (key: Key, params?: Params) => string;

/** "B" is said as "Bldg B", "Tower 2" stays as it is. */
export function placeText(t: T, where: Located, parts: readonly (keyof Located)[] = ["building", "floor", "place"]): string {
  const said: Record<keyof Located, string> = {
    site: where.site,
    building: /^[A-Za-z0-9]{1,3}$/.test(where.building) ? t("place.building", { n: where.building }) : where.building,
    floor: /^-?[A-Za-z]?\d{1,3}$/.test(where.floor) ? t("place.floor", { n: where.floor }) : where.floor,
    place: where.place,
  };
  return parts
    .map((part) => said[part])
    .filter(Boolean)
    .join(" · ");
}
