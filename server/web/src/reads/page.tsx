import { useMemo, useState } from "react";
import { API, ApiError, call, query } from "../api/client";
import type { ReadRow } from "../api/types";
import { useI18n } from "../i18n";
import { LinkState } from "../shell/link";
import { devices } from "../store/stores";
import { NARROW, useLoad, useMedia, useStore } from "../ui/hooks";
import { Failure, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { SoundControl } from "../ui/sound";
import { BasisDrawer } from "./basis";
import { spaced } from "./decimal";
import { ReadsTable } from "./table";
import { coverage, monthOf, monthsUpTo, needsLook, totals } from "./total";

interface Answer {
  rows: ReadRow[];
}

const MONTHS = 36;
const PARAMETERS = ["month", "from", "to", "site", "building", "meter", "reader"] as const;

function instantOf(local: string | null): string | null {
  if (!local) return null;
  const date = new Date(local);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** What is asked of the server: a charge month, or two instants for an interim read. */
function asked(search: URLSearchParams): Record<string, string | null> {
  const place = Object.fromEntries(PARAMETERS.slice(3).map((name) => [name, search.get(name)]));
  if (search.get("by") === "instants") return { from: instantOf(search.get("from")), to: instantOf(search.get("to")), ...place };
  const month = search.get("month") ?? "";
  return { month: /^\d{4}-\d{2}$/.test(month) ? month : monthOf(new Date()), ...place };
}

function Filters() {
  const { t } = useI18n();
  const [search, change] = useSearch();
  useStore(devices);
  const meters = devices.all().filter((device) => device.meter !== null);
  const site = search.get("site") ?? "";
  const distinct = (values: string[]) => [...new Set(values)].filter(Boolean).sort();
  const choices = {
    site: distinct(meters.map((device) => device.site)),
    building: distinct(meters.filter((device) => !site || device.site === site).map((device) => device.building)),
    meter: distinct(meters.filter((device) => !site || device.site === site).map((device) => device.meter?.metering_point ?? "")),
    reader: distinct(meters.map((device) => device.meter?.reader ?? "")),
  };
  const names = {
    site: [t("alarms.site"), t("alarms.allsites")],
    building: [t("alarms.building"), t("alarms.allbuildings")],
    meter: [t("reads.meter"), t("reads.allmeters")],
    reader: [t("reads.reader"), t("reads.allreaders")],
  } as const;
  const interim = search.get("by") === "instants";
  const trouble = search.get("trouble") === "1";
  const month = asked(search).month ?? "";
  return (
    <div className="filters" role="search" aria-label={t("alarms.filters")}>
      <div className="toggle" role="group" aria-label={t("reads.mode")}>
        <button type="button" aria-pressed={!interim} onClick={() => change({ by: null, from: null, to: null })}>
          {t("reads.bymonth")}
        </button>
        <button type="button" aria-pressed={interim} onClick={() => change({ by: "instants", month: null })}>
          {t("reads.byinstants")}
        </button>
      </div>
      {interim ? (
        <>
          <label>
            {t("reads.from")} <input type="datetime-local" step={1} value={search.get("from") ?? ""} onChange={(event) => change({ from: event.target.value }, true)} />
          </label>
          <label>
            {t("reads.to")} <input type="datetime-local" step={1} value={search.get("to") ?? ""} onChange={(event) => change({ to: event.target.value }, true)} />
          </label>
        </>
      ) : (
        // The browser's own month field would speak the browser's language.
        <select aria-label={t("reads.month")} value={month} className="chosen" onChange={(event) => change({ month: event.target.value }, true)}>
          {monthsUpTo(monthOf(new Date()), MONTHS, month).map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      )}
      {(["site", "building", "meter", "reader"] as const).map((name) => {
        const value = search.get(name) ?? "";
        return (
          <select key={name} aria-label={names[name][0]} value={value} className={value ? "chosen" : ""} onChange={(event) => change({ [name]: event.target.value })}>
            <option value="">{names[name][1]}</option>
            {(value && !choices[name].includes(value) ? [value, ...choices[name]] : choices[name]).map((option) => (
              <option key={option}>{option}</option>
            ))}
          </select>
        );
      })}
      <button type="button" aria-pressed={trouble} onClick={() => change({ trouble: trouble ? null : "1" })}>
        {t("reads.trouble")}
      </button>
    </div>
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
  const parameters = asked(search);
  const complete = "month" in parameters || (parameters.from !== null && parameters.to !== null);
  const path = `meters/reads${query(parameters)}`;
  const [state, again] = useLoad(complete ? path : "", (signal) => (complete ? call<Answer>("GET", path, undefined, signal) : Promise.resolve({ rows: [] })));
  const all = state.data?.rows ?? [];
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
            <a className="button" href={download("json")} download="meter-reads.json">
              {t("reads.export.json")}
            </a>
          </>
        )}
        <SoundControl />
      </header>
      <Filters />
      {state.phase === "loading" && <Words>{t("reads.loading")}</Words>}
      {state.phase === "failed" && (forbidden ? <Words>{t("reads.forbidden")}</Words> : <Failure title={t("reads.failed")} error={state.error} onRetry={again} />)}
      {state.phase === "ready" && rows.length === 0 && <Words>{t("reads.empty")}</Words>}
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
