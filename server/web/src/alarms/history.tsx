import { query } from "../api/client";
import type { Alarm } from "../api/types";
import { useI18n } from "../i18n";
import { deviceText } from "../i18n/place";
import { dayIn } from "../i18n/time";
import { alarms, devices } from "../store/stores";
import { DateField } from "../ui/dates";
import { addDays, instantOf, parseDay } from "../ui/datetext";
import { useStore } from "../ui/hooks";
import { usePaged } from "../ui/paged";
import { Choice, Dialog, distinct, Failure, Mark, markStyle, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { Time, useTimes } from "../ui/times";
import { PastAlarm } from "./detail";

const PAGE = 200;
const SPANS = [1, 7, 30] as const;

interface Answer {
  alarms: Alarm[];
  next: string | number | null;
}

function Rows({ list, onPick }: { list: readonly Alarm[]; onPick: (alarm: Alarm) => void }) {
  const { t, label, word, place } = useI18n();
  return (
    <table className="table table-cards history-table">
      <thead>
        <tr>
          <th scope="col">
            <span className="hidden">{t("alarms.col.mark")}</span>
          </th>
          <th scope="col">{t("alarms.col.alarm")}</th>
          <th scope="col">{t("alarms.col.raised")}</th>
          <th scope="col">{t("history.closed")}</th>
          <th scope="col">{t("alarms.col.place")}</th>
          <th scope="col">{t("alarms.col.point")}</th>
          <th scope="col">{t("alarms.col.who")}</th>
          <th scope="col">{t("alarms.col.state")}</th>
        </tr>
      </thead>
      <tbody>
        {list.map((alarm) => (
          <tr key={alarm.id}>
            <td className="card-mark">
              <Mark severity={alarm.severity} style={markStyle(alarm)} />
              <span className="hidden">{t(`sev.${alarm.severity}`)}</span>
            </td>
            <td className="card-title">
              <button type="button" className="plain" onClick={() => onPick(alarm)}>
                {label(alarm)}
              </button>
            </td>
            <td data-label={t("alarms.col.raised")}>
              <Time at={alarm.raised_at} site={alarm.site} />
            </td>
            <td data-label={t("history.closed")} className={alarm.closed_at === null ? "none" : ""}>
              <Time at={alarm.closed_at} site={alarm.site} />
            </td>
            <td data-label={t("alarms.col.place")}>{place(alarm, ["building", "floor", "place", "site"])}</td>
            <td data-label={t("alarms.col.point")}>{deviceText(alarm)}</td>
            <td data-label={t("alarms.col.who")} className={alarm.acked_by === null ? "none" : ""}>{alarm.acked_by ?? "–"}</td>
            <td data-label={t("alarms.col.state")}>{word("state", alarm.state)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function AlarmHistory() {
  const { t, word } = useI18n();
  const [search, change] = useSearch();
  useStore(devices);
  const site = search.get("site") ?? "";
  const cls = search.get("class") ?? "";
  const times = useTimes(site || undefined);
  const today = dayIn(Date.now(), times.zone);
  const to = parseDay(search.get("to") ?? "") ?? today;
  const from = parseDay(search.get("from") ?? "") ?? addDays(to, -6);
  const span = { from: instantOf(from, times.zone), to: instantOf(addDays(to, 1), times.zone) };
  const { state, more, again } = usePaged<Alarm, Answer>(`alarms/history${query({ ...span, site, class: cls, limit: PAGE })}`, (answer) => answer.alarms);
  const sites = distinct([...devices.all().map((device) => device.site), ...state.rows.map((alarm) => alarm.site)]);
  const classes = distinct([...alarms.all(), ...state.rows].map((alarm) => alarm.class));
  const picked = search.get("id");
  const narrowed = site !== "" || cls !== "";

  return (
    <div className="history">
      <div className="filters filters-wide" role="search" aria-label={t("alarms.filters")}>
        <DateField kind="day" label={`${t("history.from")}${times.hint}`} value={from} onChange={(day) => change({ from: day, to: day > to ? day : to }, true)} />
        <DateField kind="day" label={`${t("history.to")}${times.hint}`} value={to} onChange={(day) => change({ to: day, from: day < from ? day : from }, true)} />
        <span className="toggle" role="group" aria-label={t("history.span")}>
          {SPANS.map((days) => (
            <button
              type="button"
              key={days}
              aria-pressed={to === today && from === addDays(today, 1 - days)}
              onClick={() => change({ from: addDays(today, 1 - days), to: today }, true)}
            >
              {days === 1 ? t("history.today") : t("history.days", { n: days })}
            </button>
          ))}
        </span>
        <Choice name={t("alarms.site")} all={t("alarms.allsites")} value={site} options={sites.map((one) => [one, one])} onChange={(value) => change({ site: value }, true)} />
        <Choice name={t("alarms.class")} all={t("alarms.allclasses")} value={cls} options={classes.map((one) => [one, word("class", one)])} onChange={(value) => change({ class: value }, true)} />
      </div>
      <div className="scroll" tabIndex={0} role="region" aria-label={t("alarms.tab.history")}>
        {state.rows.length > 0 && <Rows list={state.rows} onPick={(alarm) => change({ id: String(alarm.id) })} />}
        {state.phase === "loading" && <Words>{t("history.loading")}</Words>}
        {state.phase === "failed" && <Failure title={t("history.failed")} error={state.error} onRetry={again} />}
        {state.phase === "ready" && state.rows.length === 0 && (
          <Words title={t("history.empty", { from, to })}>
            <p>{t(narrowed ? "history.emptynarrow" : "history.emptyhelp")}</p>
            {narrowed && (
              <button type="button" onClick={() => change({ site: null, class: null }, true)}>
                {t("alarms.clear")}
              </button>
            )}
          </Words>
        )}
        {state.phase === "ready" && state.next !== null && state.next !== undefined && (
          <div className="more">
            <button type="button" onClick={more}>
              {t("history.more")}
            </button>
          </div>
        )}
      </div>
      {picked && (
        <Dialog title={t("detail.title")} className="drawer" onClose={() => change({ id: null })}>
          <PastAlarm key={picked} id={picked} />
          <div className="dialog-buttons">
            <button type="button" className="primary" data-focus onClick={() => change({ id: null })}>
              {t("dialog.close")}
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
