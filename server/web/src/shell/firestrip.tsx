import { useI18n } from "../i18n";
import { isFire } from "../store/news";
import { alarms } from "../store/stores";
import { NARROW, useMedia, useStore } from "../ui/hooks";
import { Mark } from "../ui/parts";
import { go } from "../ui/router";
import { Time } from "../ui/times";

/** Life safety first: on every page, as long as any fire alarm is open. */
export function FireStrip() {
  const { t, label, place } = useI18n();
  useStore(alarms);
  const narrow = useMedia(NARROW);
  const shown = narrow ? 1 : 2;
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
        {fires.slice(0, shown).map((alarm) => (
          <li key={alarm.id}>
            <button type="button" className="plain" onClick={() => go(`/alarms?id=${encodeURIComponent(alarm.id)}`)}>
              <span>
                <b>{place(alarm)}</b> {alarm.site} · {label(alarm)} {alarm.part && <b className="part">{alarm.part} </b>}
                <Time at={alarm.raised_at} site={alarm.site} />
              </span>
            </button>
          </li>
        ))}
      </ul>
      <span className="fire-count">
        {(open === 0 || !narrow) && t("fire.count", { n: fires.length })}
        {open > 0 && !narrow && " · "}
        {open > 0 && t("fire.unacked", { n: open })}
      </span>
      <button type="button" onClick={() => go("/alarms?class=fire")}>
        {t("fire.show")}
      </button>
    </section>
  );
}
