/** Times on the page: in the zone of their site, which is said wherever it is not the reader's own. */

import { useI18n } from "../i18n";
import { browserZone, fullTime, longTime, offsetOf, offsetText, shortTime } from "../i18n/time";
import { useSignal } from "../store/signal";
import { type Zones, zoneOf } from "../store/zonemap";
import { zones } from "../store/zones";

export interface Times {
  zone: string;
  short: (iso: string | null) => string;
  long: (iso: string | null) => string;
  full: (iso: string | null) => string;
  /** " (UTC+8)" where a time typed here could be meant otherwise, else nothing. */
  hint: string;
}

const isAway = (ms: number, zone: string): boolean => offsetOf(ms, zone) !== offsetOf(ms, browserZone());

export function timesOf(known: Zones, site: string | undefined, language: "en" | "zh"): Times {
  const zone = zoneOf(known, site);
  const said = (iso: string | null, always: boolean) => (iso === null || Number.isNaN(Date.parse(iso)) || !always ? "" : ` ${offsetText(Date.parse(iso), zone)}`);
  return {
    zone,
    short: (iso) => `${shortTime(iso, zone)}${said(iso, known.mixed)}`,
    long: (iso) => `${longTime(iso, zone)}${said(iso, known.mixed || (iso !== null && isAway(Date.parse(iso), zone)))}`,
    full: (iso) => fullTime(iso, zone, language),
    hint: known.mixed || isAway(Date.now(), zone) ? ` (${offsetText(Date.now(), zone)})` : "",
  };
}

export function useTimes(site?: string): Times {
  const { language } = useI18n();
  return timesOf(useSignal(zones), site, language);
}

export function Time({ at, site, className }: { at: string | null; site?: string; className?: string }) {
  const times = useTimes(site);
  if (at === null) return <span className={className}>–</span>;
  return (
    <time className={className} dateTime={at} title={times.full(at)}>
      {times.short(at)}
    </time>
  );
}

/** Said once on a page whose reader lives by another clock than the sites. */
export function ZoneNote() {
  const { t } = useI18n();
  const known = useSignal(zones);
  const now = Date.now();
  if (known.mixed || !isAway(now, known.usual)) return null;
  return (
    <span className="zone-note second" title={known.usual}>
      {t("time.zone", { zone: offsetText(now, known.usual) })}
    </span>
  );
}
