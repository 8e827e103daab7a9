import { useMemo, useRef } from "react";
import { query } from "../api/client";
import type { Device, Entry } from "../api/types";
import { useI18n } from "../i18n";
import { dayIn } from "../i18n/time";
import { LinkState } from "../shell/link";
import { devices } from "../store/stores";
import { DateField } from "../ui/dates";
import { addDays, instantOf, parseDay } from "../ui/datetext";
import { NARROW, useMedia, useStore } from "../ui/hooks";
import { Choice, distinct, Failure, Words } from "../ui/parts";
import { type Change, useSearch } from "../ui/router";
import { SoundControl } from "../ui/sound";
import { useTimes } from "../ui/times";
import { useRecords } from "./live";
import type { Wanted } from "./match";
import { RecordTable } from "./table";

const PAGE = 200;
const SPANS = [1, 7, 30] as const;
/** Whose devices tell records; others are among the choices once they have told one. */
const TELLING = new Set(["access", "vehicle", "camera", "intrusion"]);
/** What records are mostly of, to be chosen before any was read. */
const CLASSES = ["access_card", "access_keypad", "vehicle"];

interface Span {
  from: string;
  to: string;
  today: string;
  hint: string;
}

interface FilterProps {
  wanted: Wanted;
  span: Span;
  shown: readonly Entry[];
  change: (change: Change, replace?: boolean) => void;
}

/** The devices to choose from, by `site/id`. */
function choices(all: readonly Device[], shown: readonly Entry[], site: string, building: string): [string, string][] {
  const found = new Map<string, string>();
  const mine = (one: { site: string; building: string }) => (!site || one.site === site) && (!building || one.building === building);
  for (const one of shown) if (mine(one)) found.set(`${one.site}/${one.device}`, one.device_name || one.device);
  for (const one of all) if (TELLING.has(one.class) && mine(one)) found.set(`${one.site}/${one.id}`, one.name || one.id);
  return [...found].sort(([, a], [, b]) => a.localeCompare(b, undefined, { numeric: true }));
}

function Days({ span, change }: Pick<FilterProps, "span" | "change">) {
  const { t } = useI18n();
  const { from, to, hint } = span;
  return (
    <>
      <DateField kind="day" label={`${t("history.from")}${hint}`} value={from} onChange={(day) => change({ from: day, to: day > to ? day : to }, true)} />
      <DateField kind="day" label={`${t("history.to")}${hint}`} value={to} onChange={(day) => change({ to: day, from: day < from ? day : from }, true)} />
    </>
  );
}

function Spans({ span, change }: Pick<FilterProps, "span" | "change">) {
  const { t } = useI18n();
  const { from, to, today } = span;
  return (
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
  );
}

function Choices({ wanted, shown, change }: Omit<FilterProps, "span">) {
  const { t, word, place } = useI18n();
  const version = useStore(devices);
  const all = useMemo(() => devices.all(), [version]);
  const { site, building, cls, device } = wanted;
  const sites = distinct([...all, ...shown].map((one) => one.site));
  const buildings = distinct([...all, ...shown].filter((one) => !site || one.site === site).map((one) => one.building));
  const classes = distinct([...CLASSES, ...shown.map((one) => one.class)]);
  return (
    <>
      <Choice name={t("alarms.site")} all={t("alarms.allsites")} value={site} options={sites.map((one) => [one, one])} onChange={(value) => change({ site: value, building: null, device: null }, true)} />
      <Choice
        name={t("alarms.building")}
        all={t("alarms.allbuildings")}
        value={building}
        options={buildings.map((one) => [one, place({ site: "", building: one, floor: "", place: "" })])}
        onChange={(value) => change({ building: value, device: null }, true)}
      />
      <Choice name={t("alarms.class")} all={t("alarms.allclasses")} value={cls} options={classes.map((one) => [one, word("class", one)])} onChange={(value) => change({ class: value }, true)} />
      <Choice
        name={t("records.device")}
        all={t("records.alldevices")}
        value={device && `${site}/${device}`}
        options={choices(all, shown, site, building)}
        onChange={(value) => change({ device: value }, true)}
      />
    </>
  );
}

function Filters(props: FilterProps) {
  const { t } = useI18n();
  const narrow = useMedia(NARROW);
  return (
    <div className="filters filters-wide" role="search" aria-label={t("records.filters")}>
      {narrow ? (
        <>
          <Spans {...props} />
          <details className="filters-more">
            <summary>{t("alarms.filters")}</summary>
            <Days {...props} />
            <Choices {...props} />
          </details>
        </>
      ) : (
        <>
          <Days {...props} />
          <Spans {...props} />
          <Choices {...props} />
        </>
      )}
    </div>
  );
}

const CLEARED: Change = { site: null, building: null, class: null, device: null };

/** What the address asks for; the choice of a device is one of its site. */
function wantedOf(search: URLSearchParams): Pick<Wanted, "site" | "building" | "cls" | "device"> {
  const [site = "", device = ""] = (search.get("device") ?? "").split("/", 2);
  return { site: device ? site : (search.get("site") ?? ""), building: search.get("building") ?? "", cls: search.get("class") ?? "", device };
}

export function RecordsPage() {
  const { t } = useI18n();
  const [search, change] = useSearch();
  const asked = wantedOf(search);
  const times = useTimes(asked.site || undefined);
  const today = dayIn(Date.now(), times.zone);
  const to = parseDay(search.get("to") ?? "") ?? today;
  const from = parseDay(search.get("from") ?? "") ?? addDays(to, -6);
  const wanted: Wanted = { ...asked, from: instantOf(from, times.zone), to: instantOf(addDays(to, 1), times.zone) };
  const { cls, ...rest } = wanted;
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRecords(`records${query({ ...rest, class: cls, limit: PAGE })}`, wanted, () => (scroller.current?.scrollTop ?? 0) > 2);
  const { state } = list;
  const narrowed = [wanted.site, wanted.building, cls, wanted.device].some(Boolean);
  const release = () => {
    if (scroller.current) scroller.current.scrollTop = 0;
    list.release();
  };
  return (
    <div className="page">
      <header className="head">
        <h1>{t("records.title")}</h1>
        <LinkState />
        <span className="space" />
        <SoundControl />
      </header>
      <Filters wanted={wanted} span={{ from, to, today, hint: times.hint }} shown={state.rows} change={change} />
      <div className="records">
        {list.waiting > 0 && (
          <button type="button" className="waiting" onClick={release}>
            ↑ {t("records.news", { n: list.waiting })}
          </button>
        )}
        <div ref={scroller} className="scroll" tabIndex={0} role="region" aria-label={t("records.list")}>
          {state.rows.length > 0 && <RecordTable list={state.rows} />}
          {state.phase === "loading" && <Words>{t("records.loading")}</Words>}
          {state.phase === "failed" && <Failure title={t("records.failed")} error={state.error} onRetry={list.again} />}
          {state.phase === "ready" && state.rows.length === 0 && (
            <Words title={t("records.empty", { from, to })}>
              <p>{t(narrowed ? "records.emptynarrow" : "records.emptyhelp")}</p>
              {narrowed && (
                <button type="button" onClick={() => change(CLEARED, true)}>
                  {t("alarms.clear")}
                </button>
              )}
            </Words>
          )}
          {state.phase === "ready" && state.next !== null && (
            <div className="more">
              <button type="button" onClick={list.more}>
                {t("records.more")}
              </button>
            </div>
          )}
        </div>
      </div>
    </div>
  );
}
