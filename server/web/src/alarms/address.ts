/** The filters, from and to the address. */

import type { Severity } from "../api/types";
import type { Change } from "../ui/router";
import { type Filters, NO_FILTERS, type StateFilter } from "./select";

export const SEVERITIES: readonly Severity[] = ["critical", "high", "medium", "low"];
const STATES: readonly StateFilter[] = ["new", "acked", "cleared", "latched", "suppressed"];

export function filtersOf(search: URLSearchParams): Filters {
  const numbers = (search.get("sev") ?? "").split(",");
  const state = search.get("state") as StateFilter | null;
  return {
    severities: SEVERITIES.filter((_, index) => numbers.includes(String(index + 1))),
    site: search.get("site") ?? "",
    building: search.get("building") ?? "",
    cls: search.get("class") ?? "",
    state: state && STATES.includes(state) ? state : "",
    text: (search.get("q") ?? "").slice(0, 100),
    sort: search.get("sort") === "newest" ? "newest" : "urgent",
    group: search.get("group") === "1",
  };
}

export function toggled(filters: Filters, severity: Severity): Change {
  const has = filters.severities.includes(severity);
  const rest = SEVERITIES.filter((one) => (one === severity ? !has : filters.severities.includes(one)));
  return { sev: rest.map((one) => SEVERITIES.indexOf(one) + 1).join(",") };
}

export const CLEARED: Change = { sev: null, site: null, building: null, class: null, state: null, q: null };

export function narrows(filters: Filters): boolean {
  return (
    filters.severities.length > 0 ||
    [filters.site, filters.building, filters.cls, filters.state, filters.text].some((value) => value !== "")
  );
}

/** Two filters with one key show the same list in the same order. */
export const keyOf = (filters: Filters): string =>
  JSON.stringify([filters.severities, filters.site, filters.building, filters.cls, filters.state, filters.text, filters.sort]);

export { NO_FILTERS };
