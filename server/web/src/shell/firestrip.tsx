import { useI18n } from "../i18n";
import { isFire } from "../store/news";
import { alarms } from "../store/stores";
import { useStore } from "../ui/hooks";
import { Mark, Time } from "../ui/parts";
import { go } from "../ui/router";

const SHOWN = 2;

/** Life safety first: on every page, as long as any fire alarm is open. */
export function FireStrip() {
  const { t, label } = useI18n();
  useStore(alarms);
  const fires = alarms
    .all()
    .filter((alarm) => isFire(alarm))
    .sort((a, b) => Number(a.acked) - Number(b.acked) || (a.raised_at < b.raised_at ? 1 : -1));
  if (fires.length === 0) return null;
  const open = fires.filter((alarm) => !alarm.acked).length;
  return (
    <section className={`fire${open > 0 ? " fire-open" : ""}`} aria-label={t("fire.one")}>
      <Mark severity="critical" style={open > 0 ? "fill" : "outline"} />
      <strong className="fire-word">{t("fire.one")}</strong>
      <ul>
        {fires.slice(0, SHOWN).map((alarm) => (
          <li key={alarm.id}>
            <button type="button" className="plain" onClick={() => go(`/alarms?id=${encodeURIComponent(alarm.id)}`)}>
              <b>{[alarm.site, alarm.building, alarm.floor, alarm.place].filter(Boolean).join(" · ")}</b> {label(alarm)}{" "}
              <Time at={alarm.raised_at} />
            </button>
          </li>
        ))}
      </ul>
      <span className="fire-count">
        {t("fire.count", { n: fires.length })}
        {open > 0 ? ` · ${t("fire.unacked", { n: open })}` : ""}
      </span>
      <button type="button" onClick={() => go("/alarms?class=fire")}>
        {t("fire.show")}
      </button>
    </section>
  );
}
