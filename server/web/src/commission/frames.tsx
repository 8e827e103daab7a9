import { type FormEvent, memo, useState } from "react";
import type { Job, JobRow } from "../api/types";
import { useI18n } from "../i18n";
import { Failure, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { useTimes } from "../ui/times";
import { isOpen, useRows, useStart } from "./jobs";
import { download, Earlier, JobBar, Pages, Refused } from "./parts";
import { type Frame, type FrameFilter, frameFits, frameOf } from "./rows";
import { unitsOf } from "./units";
import { atWork, type PartProps, useRuns } from "./view";

const KEEP = 2000;
const A_PAGE = 60;
const SPANS = [30, 60, 300, 900, 3600];

function TraceForm({ place, line, online, busyWith }: PartProps & { busyWith: Job | null }) {
  const { t } = useI18n();
  const [, change] = useSearch();
  const { start, busy, problem } = useStart(place);
  const [forS, setForS] = useState(60);
  const [units, setUnits] = useState("");
  const fine = units.trim() === "" || unitsOf(units) !== null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const args: Record<string, unknown> = { for_s: forS, newest: KEEP, record: true };
    if (units.trim() !== "") args.units = units.replace(/\s+/g, "");
    void start({ tool: "trace", line: line.id, args, forS: forS + 30 }).then((job) => job && change({ job: null }, true));
  };
  return (
    <form className="com-form" onSubmit={submit}>
      <label>
        {t("com.span")}
        <select value={forS} onChange={(event) => setForS(Number(event.target.value))}>
          {SPANS.map((one) => (
            <option key={one} value={one}>
              {one < 120 ? t("age.s", { n: one }) : t("age.min", { n: one / 60 })}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t("com.onlyunits")}
        <input value={units} maxLength={200} autoComplete="off" placeholder={t("com.onlyunits.all")} aria-invalid={!fine} onChange={(event) => setUnits(event.target.value)} />
      </label>
      <div className="com-go">
        <button type="submit" className="primary" disabled={busy || !online || !fine || busyWith !== null}>
          {busy ? t("detail.sending") : t("com.trace.go")}
        </button>
      </div>
      <Refused title={t("com.notstarted")} error={problem} />
    </form>
  );
}

const FrameRow = memo(function FrameRow({ frame, time }: { frame: Frame; time: string }) {
  const { t } = useI18n();
  return (
    <tr className={frame.crc === "bad" ? "frame-bad" : ""}>
      <td className="frame-what">
        <div className="frame-head">
          <span className="frame-time" title={frame.at}>
            {time}
          </span>
          <span className={`frame-dir frame-${frame.dir}`}>
            <span aria-hidden="true">{frame.dir === "tx" ? "→" : "←"}</span> {t(`com.dir.${frame.dir}`)}
          </span>
          <span className="second">{frame.unit === null ? t("com.unit.unknown") : t("com.unit", { n: frame.unit })}</span>
          <span className={frame.crc === "bad" ? "trouble" : "second"}>{t(`com.crc.${frame.crc}`)}</span>
        </div>
      </td>
      <td>
        <code className="wrap">{frame.bytes}</code>
        {frame.text && (
          <span className="why wrap" lang="en">
            {frame.text}
          </span>
        )}
      </td>
    </tr>
  );
});

interface BarProps {
  filter: FrameFilter;
  onFilter: (filter: FrameFilter) => void;
  paused: boolean;
  onPause: () => void;
  onClear: () => void;
  capture: readonly string[] | null;
  onExport: () => void;
}

function FrameBar({ filter, onFilter, paused, onPause, onClear, capture, onExport }: BarProps) {
  const { t } = useI18n();
  return (
    <div className="frame-bar">
      <button type="button" aria-pressed={paused} onClick={onPause}>
        {paused ? t("com.resume") : t("com.pause")}
      </button>
      <button type="button" onClick={onClear}>
        {t("com.clear")}
      </button>
      <input type="search" value={filter.text} maxLength={80} aria-label={t("com.framefilter")} placeholder={t("com.framefilter")} onChange={(event) => onFilter({ ...filter, text: event.target.value })} />
      <select aria-label={t("com.direction")} value={filter.direction} className={filter.direction ? "chosen" : ""} onChange={(event) => onFilter({ ...filter, direction: event.target.value })}>
        <option value="">{t("com.direction.both")}</option>
        <option value="tx">{t("com.dir.tx")}</option>
        <option value="rx">{t("com.dir.rx")}</option>
      </select>
      <button type="button" aria-pressed={filter.onlyBad} onClick={() => onFilter({ ...filter, onlyBad: !filter.onlyBad })}>
        {t("com.onlybad")}
      </button>
      <button type="button" disabled={capture === null || capture.length === 0} onClick={onExport}>
        {t("com.export")}
      </button>
    </div>
  );
}

/** The capture that the gateway made of what it saw: nothing in it names the site. */
function captureOf(job: Job | null): string[] | null {
  const lines = job?.result?.capture;
  return Array.isArray(lines) && lines.every((line) => typeof line === "string") ? (lines as string[]) : null;
}

export function FramesPart(props: PartProps) {
  const { place, line, jobs } = props;
  const { t } = useI18n();
  const times = useTimes(place.site);
  const busyWith = atWork(jobs, line.id);
  const { runs, shown, show } = useRuns(jobs, "trace", line.id);
  const { rows, more, error } = useRows(shown, KEEP);
  const [filter, setFilter] = useState<FrameFilter>({ text: "", onlyBad: false, direction: "" });
  const [page, setPage] = useState(0);
  const [held, setHeld] = useState<{ job: string; to: number; rows: JobRow[] } | null>(null);
  const [cleared, setCleared] = useState<{ job: string; to: number } | null>(null);
  const paused = held !== null && held.job === shown?.id ? held : null;
  const from = cleared !== null && cleared.job === shown?.id ? cleared.to : 0;
  const last = rows.at(-1)?.n ?? 0;
  // What is held stays, also when so much has come since that it would be forgotten.
  const frames = (paused?.rows ?? rows)
    .filter((row) => row.n > from)
    .map(frameOf)
    .filter((frame) => frameFits(frame, filter))
    .reverse();
  const capture = captureOf(shown);
  const hold = (keep: boolean) => setHeld(keep && shown ? { job: shown.id, to: last, rows } : null);
  const clear = () => {
    if (shown) setCleared({ job: shown.id, to: last });
    setPage(0);
  };
  return (
    <>
      <div hidden={busyWith?.tool === "trace"}>
        <TraceForm {...props} busyWith={busyWith} />
      </div>
      {shown && <JobBar job={shown} />}
      <Earlier jobs={runs} shown={shown} onShow={show} />
      {!shown && (
        <Words title={t("com.trace.none")}>
          <p>{t("com.trace.help")}</p>
        </Words>
      )}
      {shown && (
        <>
          <FrameBar
            filter={filter}
            onFilter={(next) => {
              setFilter(next);
              setPage(0);
            }}
            paused={paused !== null}
            onPause={() => hold(paused === null)}
            onClear={clear}
            capture={capture}
            onExport={() => capture && download(`capture-${shown.id}.yaml`, "application/yaml", `${capture.join("\n")}\n`)}
          />
          <p className="second frame-note" role="status">
            {paused !== null && last > paused.to ? t("com.held", { n: last - paused.to }) : capture === null && isOpen(shown) ? t("com.export.when") : ""}
          </p>
          {rows.length === 0 && error !== null && <Failure title={t("com.norows")} error={error} onRetry={() => show(shown.id)} />}
          {frames.length === 0 && error === null && !more && <Words title={rows.length === 0 ? t("com.trace.empty") : t("com.trace.filtered")} />}
          {frames.length > 0 && (
            <Pages
              items={frames}
              size={A_PAGE}
              page={page}
              onPage={(next) => {
                // Whoever turns to older frames wants them to stay under the eye.
                if (next > 0 && paused === null) hold(true);
                setPage(next);
              }}
            >
              {(some) => (
                <table className="table frames">
                  <caption className="hidden">{t("com.frames.caption")}</caption>
                  <thead className="hidden">
                    <tr>
                      <th scope="col">{t("com.frame.head")}</th>
                      <th scope="col">{t("com.frame.bytes")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {some.map((frame) => (
                      <FrameRow key={frame.n} frame={frame} time={`${times.long(frame.at).slice(11, 19)}.${frame.at.slice(20, 23)}`} />
                    ))}
                  </tbody>
                </table>
              )}
            </Pages>
          )}
        </>
      )}
    </>
  );
}
