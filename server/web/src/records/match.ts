/** What belongs to a list: pure. */

import type { Entry } from "../api/types";

export interface Wanted {
  site: string;
  building: string;
  cls: string;
  /** An id, of `site`. */
  device: string;
  /** ISO instants: from the first, before the second. */
  from: string | null;
  to: string | null;
}

export function matches(one: Entry, wanted: Wanted): boolean {
  const at = Date.parse(one.seen_at);
  return (
    (!wanted.site || one.site === wanted.site) &&
    (!wanted.building || one.building === wanted.building) &&
    (!wanted.cls || one.class === wanted.cls) &&
    (!wanted.device || one.device === wanted.device) &&
    (wanted.from === null || at >= Date.parse(wanted.from)) &&
    (wanted.to === null || at < Date.parse(wanted.to))
  );
}
