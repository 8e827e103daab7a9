import { useEffect, useState } from "react";
import { call, query } from "../api/client";
import type { Alarm } from "../api/types";
import { useI18n } from "../i18n";
import { Failure, Mark, markStyle, Time, Words } from "../ui/parts";
import { useSearch } from "../ui/router";

const PAGE = 200;
const DAY_MS = 86_400_000;

interface Answer {
  alarms: Alarm[];
  next: string | number | null;
}

type State = { phase: "loading" | "ready"; alarms: Alarm[]; next: Answer["next"] } | { phase: "failed"; alarms: Alarm[]; next: Answer["next"]; error: unknown };

const dayText = (ms: number): string => {
  const date = new Date(ms);
  return new Date(ms - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
};

/** Local midnight of a day as an instant, or nothing when it is no day. */
function instant(day: string, plusDays: number): string | null {
  const date = new Date(`${day}T00:00:00`);
  if (Number.isNaN(date.getTime())) return null;
  date.setDate(date.getDate() + plusDays);
  return date.toISOString();
}

export function AlarmHistory() {
  const { t, label, word, place } = useI18n();
  const [search, change] = useSearch();
  const from = search.get("from") ?? dayText(Date.now() - 6 * DAY_MS);
  const to = search.get("to") ?? dayText(Date.now());
  const address = `alarms/history${query({ from: instant(from, 0), to: instant(to, 1), site: search.get("site"), class: search.get("class"), limit: PAGE })}`;
  const [state, setState] = useState<State>({ phase: "loading", alarms: [], next: null });
  const [round, setRound] = useState(0);

  const load = (before: Answer["next"], old: Alarm[], signal?: AbortSignal) => {
    setState({ phase: "loading", alarms: old, next: null });
    const more = before === null ? "" : `&before=${encodeURIComponent(String(before))}`;
    call<Answer>("GET", `${address}${more}`, undefined, signal).then(
      (answer) => setState({ phase: "ready", alarms: [...old, ...answer.alarms], next: answer.next }),
      (error: unknown) => {
        if (!signal?.aborted) setState({ phase: "failed", alarms: old, next: before, error });
      },
    );
  };
  useEffect(() => {
    const control = new AbortController();
    load(null, [], control.signal);
    return () => control.abort();
  }, [address, round]);

  return (
    <div className="history">
      <div className="filters">
        <label>
          {t("history.from")} <input type="date" value={from} max={to} onChange={(event) => change({ from: event.target.value })} />
        </label>
        <label>
          {t("history.to")} <input type="date" value={to} min={from} onChange={(event) => change({ to: event.target.value })} />
        </label>
      </div>
      <div className="scroll" tabIndex={0} role="region" aria-label={t("alarms.tab.history")}>
        {state.alarms.length > 0 && (
          <table className="table table-cards">
            <thead>
              <tr>
                <th scope="col">
                  <span className="hidden">{t("alarms.col.mark")}</span>
                </th>
                <th scope="col">{t("alarms.col.raised")}</th>
                <th scope="col">{t("history.closed")}</th>
                <th scope="col">{t("alarms.col.alarm")}</th>
                <th scope="col">{t("alarms.col.place")}</th>
                <th scope="col">{t("alarms.col.point")}</th>
                <th scope="col">{t("alarms.col.who")}</th>
                <th scope="col">{t("alarms.col.state")}</th>
              </tr>
            </thead>
            <tbody>
              {state.alarms.map((alarm) => (
                <tr key={alarm.id}>
                  <td>
                    <Mark severity={alarm.severity} style={markStyle(alarm)} />
                    <span className="hidden">{t(`sev.${alarm.severity}`)}</span>
                  </td>
                  <td data-label={t("alarms.col.raised")}>
                    <Time at={alarm.raised_at} />
                  </td>
                  <td data-label={t("history.closed")}>
                    <Time at={alarm.closed_at} />
                  </td>
                  <td data-label={t("alarms.col.alarm")}>{label(alarm)}</td>
                  <td data-label={t("alarms.col.place")}>{place(alarm, ["building", "floor", "place", "site"])}</td>
                  <td data-label={t("alarms.col.point")}>{alarm.device_name || alarm.device}</td>
                  <td data-label={t("alarms.col.who")}>{alarm.acked_by ?? "–"}</td>
                  <td data-label={t("alarms.col.state")}>{word("state", alarm.state)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {state.phase === "loading" && <Words>{t("history.loading")}</Words>}
        {state.phase === "failed" && <Failure title={t("history.failed")} error={state.error} onRetry={() => setRound((old) => old + 1)} />}
        {state.phase === "ready" && state.alarms.length === 0 && <Words>{t("history.empty")}</Words>}
        {state.phase === "ready" && state.next !== null && state.next !== undefined && (
          <div className="more">
            <button type="button" onClick={() => load(state.next, state.alarms)}>
              {t("history.more")}
            </button>
          </div>
        )}
      </div>
    </div>
  );
}
