import { useMemo, useState } from "react";
import { API, ApiError, call, query } from "../api/client";
import type { ReadRow } from "../api/types";
import { useI18n } from "../i18n";
import { LinkState } from "../shell/link";
import { devices } from "../store/stores";
import { DateField } from "../ui/dates";
import { instantOf, momentIn, parseMoment } from "../ui/datetext";
import { NARROW, useLoad, useMedia, useStore } from "../ui/hooks";
import { Choice, distinct, Failure, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { SoundControl } from "../ui/sound";
import { type Times, useTimes } from "../ui/times";
import { BasisDrawer } from "./basis";
import { spaced } from "./decimal";
import { ReadsTable } from "./table";
import { coverage, monthIn, monthsUpTo, needsLook, totals } from "./total";

interface Answer {
  rows: ReadRow[];
}

const MONTHS = 36;
const PLACE = ["site", "building", "meter", "reader"] as const;

/** What is asked of the server: a charge month, or two instants for an interim read. */
function asked(search: URLSearchParams, zone: string): Record<string, string | null> {
  const place = Object.fromEntries(PLACE.map((name) => [name, search.get(name)]));
  if (search.get("by") === "instants") return { from: instantOf(search.get("from"), zone), to: instantOf(search.get("to"), zone), ...place };
  const month = search.get("month") ?? "";
  return { month: /^\d{4}-(0[1-9]|1[0-2])$/.test(month) ? month : monthIn(Date.now(), zone), ...place };
}

/** Why an interim period cannot be asked for, or nothing. */
function periodProblem(parameters: Record<string, string | null>): "reads.choose" | "reads.order" | null {
  if ("month" in parameters) return null;
  const { from = null, to = null } = parameters;
  if (from === null || to === null) return "reads.choose";
  return from < to ? null : "reads.order";
}

function Period({ times }: { times: Times }) {
  const { t } = useI18n();
  const [search, change] = useSearch();
  const interim = search.get("by") === "instants";
  const month = asked(search, times.zone).month ?? "";
  const now = momentIn(Date.now(), times.zone);
  const field = (name: "from" | "to") => (
    <DateField kind="moment" label={`${t(`reads.${name}`)}${times.hint}`} value={parseMoment(search.get(name) ?? "") ?? ""} onChange={(value) => change({ [name]: value.replace(" ", "T") }, true)} />
  );
  return (
    <>
      <div className="toggle" role="group" aria-label={t("reads.mode")}>
        <button type="button" aria-pressed={!interim} onClick={() => change({ by: null, from: null, to: null })}>
          {t("reads.bymonth")}
        </button>
        {/* Begins with this month so far: a period that there is, and an example of how one is written. */}
        <button type="button" aria-pressed={interim} onClick={() => !interim && change({ by: "instants", month: null, from: `${now.slice(0, 8)}01T00:00`, to: now.replace(" ", "T") })}>
          {t("reads.byinstants")}
        </button>
      </div>
      {interim ? (
        <>
          {field("from")}
          {field("to")}
        </>
      ) : (
        // The browser's own month field would speak the browser's language.
        <select aria-label={t("reads.month")} value={month} className="chosen" onChange={(event) => change({ month: event.target.value }, true)}>
          {monthsUpTo(monthIn(Date.now(), times.zone), MONTHS, month).map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      )}
    </>
  );
}

function Places() {
  const { t } = useI18n();
  const [search, change] = useSearch();
  useStore(devices);
  const site = search.get("site") ?? "";
  const meters = devices.all().filter((device) => device.meter !== null);
  const there = meters.filter((device) => !site || device.site === site);
  const choices: Record<(typeof PLACE)[number], [name: string, all: string, values: string[]]> = {
    site: [t("alarms.site"), t("alarms.allsites"), meters.map((device) => device.site)],
    building: [t("alarms.building"), t("alarms.allbuildings"), there.map((device) => device.building)],
    meter: [t("reads.meter"), t("reads.allmeters"), there.map((device) => device.meter?.metering_point ?? "")],
    reader: [t("reads.reader"), t("reads.allreaders"), meters.map((device) => device.meter?.reader ?? "")],
  };
  return PLACE.map((name) => {
    const [title, all, values] = choices[name];
    return <Choice key={name} name={title} all={all} value={search.get(name) ?? ""} options={distinct(values).map((one) => [one, one])} onChange={(value) => change({ [name]: value })} />;
  });
}

function Filters({ times, narrow }: { times: Times; narrow: boolean }) {
  const { t } = useI18n();
  const [search, change] = useSearch();
  const trouble = search.get("trouble") === "1";
  const chosen = PLACE.filter((name) => search.get(name)).length;
  return (
    <div className="filters filters-wide" role="search" aria-label={t("alarms.filters")}>
      <Period times={times} />
      <button type="button" aria-pressed={trouble} onClick={() => change({ trouble: trouble ? null : "1" })}>
        {t("reads.trouble")}
      </button>
      {narrow ? (
        <details className="filters-more">
          <summary>
            {t("alarms.filters")}
            {chosen > 0 && ` (${chosen})`}
          </summary>
          <Places />
        </details>
      ) : (
        <Places />
      )}
    </div>
  );
}

/** Nothing to show: because nothing fits, because nothing is wrong, or because there are no meters yet. */
function Empty({ all }: { all: number }) {
  const { t } = useI18n();
  const [search, change] = useSearch();
  useStore(devices);
  if (all > 0) {
    return (
      <Words title={t("reads.notrouble")}>
        <button type="button" onClick={() => change({ trouble: null })}>
          {t("reads.showall")}
        </button>
      </Words>
    );
  }
  if (PLACE.some((name) => search.get(name))) {
    return (
      <Words title={t("reads.empty")}>
        <button type="button" onClick={() => change(Object.fromEntries(PLACE.map((name) => [name, null])))}>
          {t("alarms.clear")}
        </button>
      </Words>
    );
  }
  return (
    <Words title={t("reads.nometers")}>
      <p>{t("reads.nometershelp")}</p>
    </Words>
  );
}

function Totals({ rows }: { rows: ReadRow[] }) {
  const { t } = useI18n();
  const parts = totals(rows);
  const without = rows.filter((row) => row.consumption === null).length;
  return (
    <section className="totals" aria-label={t("reads.totals")}>
      <span>{t("reads.coverage", { ...coverage(rows) })}</span>
      {parts.map((part) => (
        <span key={part.unit}>
          {t("reads.total", { n: part.registers })} <b className="num">{part.total === null ? t("reads.missingvalue") : `${spaced(part.total)} ${part.unit}`}</b>
        </span>
      ))}
      {without > 0 && <span className="second">{t("reads.notsummed", { n: without })}</span>}
    </section>
  );
}

export function ReadsPage() {
  const { t } = useI18n();
  const [search] = useSearch();
  const narrow = useMedia(NARROW);
  const [open, setOpen] = useState<string | null>(null);
  const times = useTimes(search.get("site") ?? undefined);
  const parameters = asked(search, times.zone);
  const problem = periodProblem(parameters);
  const complete = problem === null;
  const path = `meters/reads${query(parameters)}`;
  const [state, again] = useLoad(complete ? path : "", (signal) => (complete ? call<Answer>("GET", path, undefined, signal) : Promise.resolve({ rows: [] })));
  const all = (complete && state.data?.rows) || [];
  const trouble = search.get("trouble") === "1";
  const rows = useMemo(() => (trouble ? all.filter(needsLook) : all), [all, trouble]);
  const keyOf = (row: ReadRow) => `${row.site}/${row.device}/${row.register}/${row.meter}`;
  const chosen = all.find((row) => keyOf(row) === open);
  const download = (format: string) => `${API}/meters/reads${query({ ...parameters, format })}`;
  const forbidden = state.phase === "failed" && state.error instanceof ApiError && state.error.status === 403;
  return (
    <div className="page">
      <header className="head">
        <h1>{t("reads.title")}</h1>
        <LinkState />
        <span className="space" />
        {complete && (
          <>
            <a className="button" href={download("csv")} download>
              {t("reads.export.csv")}
            </a>
            {!narrow && (
              <a className="button" href={download("json")} download="meter-reads.json">
                {t("reads.export.json")}
              </a>
            )}
          </>
        )}
        <SoundControl />
      </header>
      <Filters times={times} narrow={narrow} />
      {problem && <Words title={t(problem)} />}
      {complete && state.phase === "loading" && <Words>{t("reads.loading")}</Words>}
      {state.phase === "failed" && (forbidden ? <Words>{t("reads.forbidden")}</Words> : <Failure title={t("reads.failed")} error={state.error} onRetry={again} />)}
      {complete && state.phase === "ready" && rows.length === 0 && <Empty all={all.length} />}
      {rows.length > 0 && (
        <>
          <Totals rows={all} />
          <ReadsTable rows={rows} keyOf={keyOf} narrow={narrow} onBasis={(row) => setOpen(keyOf(row))} />
        </>
      )}
      {chosen && <BasisDrawer row={chosen} onClose={() => setOpen(null)} />}
    </div>
  );
}
