/** Is the feed alive? Silence is never shown as safety. */

import { useI18n } from "../i18n";
import { ageText } from "../i18n/text";
import { WATCHDOG_MS } from "../live/feed";
import { useSignal } from "../store/signal";
import { alarms, devices, feed, loading, silentFor } from "../store/stores";
import { useNow } from "../ui/hooks";
import { useTimes, ZoneNote } from "../ui/times";

export type Health = "live" | "connecting" | "stale" | "lost" | "signed-out";

const SKEW_LIMIT_MS = 5_000;

export function useHealth(): { health: Health; silentMs: number } {
  const state = useSignal(feed);
  const { phase } = useSignal(loading);
  useNow(1000);
  const silentMs = silentFor();
  if (state.link === "signed-out") return { health: "signed-out", silentMs };
  if (silentMs > WATCHDOG_MS) return { health: "lost", silentMs };
  // A stream that lives on a snapshot that could not be had is not a live page.
  if (phase === "failed") return { health: "stale", silentMs };
  if (state.link === "live") return { health: "live", silentMs };
  if (state.link === "lost") return { health: "stale", silentMs };
  return { health: "connecting", silentMs };
}

/** What the head of every page says: whether it is live, and by which clock it speaks. */
export function LinkState() {
  const { t } = useI18n();
  const { health } = useHealth();
  const words = {
    live: t("link.live"),
    connecting: t("link.connecting"),
    stale: t("link.lost"),
    lost: t("link.lost"),
    "signed-out": t("link.signedout"),
  }[health];
  return (
    <>
      <span className={`link link-${health}`} role="status">
        <span className="link-dot" aria-hidden="true" />
        {words}
      </span>
      <ZoneNote />
    </>
  );
}

export function FeedBanner() {
  const { t, language } = useI18n();
  const { health, silentMs } = useHealth();
  const { skew } = useSignal(feed);
  const times = useTimes();
  const { phase } = useSignal(loading);
  if (health === "lost" || health === "signed-out") {
    const last = new Date(Date.now() - silentMs).toISOString();
    return (
      <div className="banner banner-lost" role="alert">
        <strong>{t("lost.title")}</strong>
        <span aria-live="off">{t("lost.since", { age: ageText(language, silentMs), time: times.long(last) })}</span>
        <span>{t("lost.do")}</span>
      </div>
    );
  }
  // Before the first snapshot the page itself says that it has nothing to show.
  if (phase !== "ready" && alarms.size === 0 && devices.size === 0) return null;
  if (health === "stale") {
    return (
      <div className="banner banner-stale" role="status">
        {t("lost.stale")}
      </div>
    );
  }
  if (skew !== null && Math.abs(skew) > SKEW_LIMIT_MS) {
    return (
      <div className="banner banner-stale" role="status">
        {t("link.skew", { s: Math.round(Math.abs(skew) / 1000) })}
      </div>
    );
  }
  return null;
}
