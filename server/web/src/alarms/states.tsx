/** What stands above, below and in place of the list. */

import { useI18n } from "../i18n";
import { useHealth } from "../shell/link";
import { useSignal } from "../store/signal";
import { lastClosedAt } from "../store/stores";
import { Key, Words } from "../ui/parts";
import { Time } from "../ui/times";
import { FLOOD_LIMIT } from "./select";

/** Nothing in the list: because of the filters, or because nothing is open, and since when. */
export function Empty({ narrowed, onClear }: { narrowed: boolean; onClear: () => void }) {
  const { t } = useI18n();
  const { health } = useHealth();
  const last = useSignal(lastClosedAt);
  if (narrowed) {
    return (
      <Words title={t("alarms.nomatch")}>
        <button type="button" onClick={onClear}>
          {t("alarms.clear")}
        </button>
      </Words>
    );
  }
  const [before, after] = t("alarms.lastclosed").split("{time}");
  return (
    <Words title={t("alarms.empty")}>
      {last && (
        <p>
          {before}
          <Time at={last} />
          {after}
        </p>
      )}
      <p>{t(health === "live" ? "alarms.emptylive" : "alarms.emptynotlive")}</p>
    </Words>
  );
}

export function Flood({ count, grouped, onGroup }: { count: number; grouped: boolean; onGroup: () => void }) {
  const { t } = useI18n();
  if (count <= FLOOD_LIMIT) return null;
  return (
    <div className="banner banner-flood" role="status">
      <strong>{t("alarms.flood", { n: count })}</strong>
      <span className="flood-help">{t("alarms.floodhelp")}</span>
      <button type="button" aria-pressed={grouped} onClick={onGroup}>
        {t("alarms.group")} <Key>g</Key>
      </button>
    </div>
  );
}

/** What came while the list was held still. */
export function Waiting({ count, critical, onRelease }: { count: number; critical: number; onRelease: () => void }) {
  const { t } = useI18n();
  if (count === 0) return null;
  return (
    <button type="button" className="waiting" onClick={onRelease}>
      ↑ {critical > 0 ? t("alarms.waitingcritical", { n: count, c: critical }) : t("alarms.waiting", { n: count })}
    </button>
  );
}
