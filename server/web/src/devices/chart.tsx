import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { call, query } from "../api/client";
import type { History, Point } from "../api/types";
import { useI18n } from "../i18n";
import { useSignal } from "../store/signal";
import { useLoad } from "../ui/hooks";
import { Failure, Words } from "../ui/parts";
import { spaced } from "../reads/decimal";
import { theme } from "../ui/theme";
import { useTimes } from "../ui/times";
import { numberOf, type Series, seriesOf, summaryOf } from "./series";

const HEIGHT = 190;
const TABLE_ROWS = 60;
const LIVE_ROWS = 500;

function optionsFor(width: number, stepped: boolean, zone: string, range: () => [number, number]): uPlot.Options {
  const css = getComputedStyle(document.documentElement);
  const token = (name: string) => css.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: token("--second"),
    grid: { stroke: token("--hair"), width: 1 },
    ticks: { stroke: token("--hair"), width: 1 },
    font: `12px ${css.fontFamily}`,
  };
  const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
  const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: zone });
  const series: uPlot.Series = { stroke: token("--data"), width: 1.5, points: { show: false } };
  if (stepped && uPlot.paths.stepped) series.paths = uPlot.paths.stepped({ align: 1 });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: true, range }, ...(stepped ? { y: { range: () => [-0.1, 1.1] as [number, number] } } : {}) },
    axes: [
      {
        ...axis,
        space: 76,
        values: (_, ticks) => ticks.map((tick) => ((ticks[1] ?? tick + 60) - (ticks[0] ?? tick) < 60 ? seconds : minutes).format(tick * 1000)),
      },
      { ...axis, size: 64, values: (_, ticks: number[]) => ticks.map((tick) => (!stepped ? spaced(String(tick)) : tick === 0 || tick === 1 ? String(tick) : "")) },
    ],
    series: [{}, series],
  };
}

function Canvas({ data, stepped, zone, fromS, toS, label, readout }: { data: Series; stepped: boolean; zone: string; fromS: number; toS: number; label: string; readout: (at: number) => string }) {
  const box = useRef<HTMLDivElement>(null);
  const says = useRef<HTMLParagraphElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useSignal(theme);
  const latest = useRef({ data, readout, range: [fromS, toS] as [number, number] });
  latest.current = { data, readout, range: [fromS, toS] };
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const options = optionsFor(Math.max(240, element.clientWidth), stepped, zone, () => latest.current.range);
    options.hooks = {
      setCursor: [
        (chart) => {
          const at = chart.cursor.idx;
          if (says.current) says.current.textContent = at === null || at === undefined ? "" : latest.current.readout(at);
        },
      ],
    };
    const chart = new uPlot(options, [latest.current.data.x, latest.current.data.y] as uPlot.AlignedData, element);
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: Math.max(240, element.clientWidth), height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [stepped, shown, zone]);
  useEffect(() => plot.current?.setData([data.x, data.y] as uPlot.AlignedData), [data]);
  return (
    <>
      <div ref={box} className="chart" role="img" aria-label={label} />
      <p ref={says} className="chart-says second" aria-hidden="true" />
    </>
  );
}

interface Loaded {
  history: History;
  loadedAt: number;
}

/** The stored rows, and behind them what the stream has told since; after `LIVE_ROWS` of these the server is asked anew. */
function useGrowing(loaded: Loaded | null, point: Point, again: () => void): History["rows"] {
  const live = useRef<{ of: Loaded | null; rows: History["rows"] }>({ of: null, rows: [] });
  const stored = loaded?.history.rows ?? [];
  if (live.current.of !== loaded) {
    const through = stored[stored.length - 1]?.[0] ?? Number.NEGATIVE_INFINITY;
    live.current = { of: loaded, rows: live.current.rows.filter((row) => row[0] > through) };
  }
  const last = live.current.rows[live.current.rows.length - 1] ?? stored[stored.length - 1];
  const at = point.at === null ? Number.NaN : Date.parse(point.at);
  if (loaded && at > (last?.[0] ?? Number.NEGATIVE_INFINITY)) live.current.rows = [...live.current.rows.slice(-2 * LIVE_ROWS), [at, point.value, point.quality]];
  const { rows } = live.current;
  // A page that stands open for a week must not grow with every value, nor keep what is older than its chart.
  const full = rows.length >= LIVE_ROWS;
  useEffect(() => {
    if (full) again();
  }, [full]);
  return useMemo(() => [...stored, ...rows], [loaded, rows]);
}

export function PointChart({ path, site, point }: { path: string; site: string; point: Point }) {
  const { t, label, word } = useI18n();
  const times = useTimes(site);
  const long = (ms: number) => times.long(new Date(ms).toISOString());
  const address = `${path}/history${query({ point: point.id, limit: 2000 })}`;
  const [state, again] = useLoad<Loaded>(address, async (signal) => ({ history: await call<History>("GET", address, undefined, signal), loadedAt: Date.now() }));
  const loaded = state.data;
  const all = useGrowing(loaded, point, again);
  const data = useMemo(() => seriesOf(all, point.period_s ?? 0), [all, point.period_s]);
  const summary = useMemo(() => summaryOf(all), [all]);
  const title = t("device.chart", { name: label(point) });
  const stepped = point.kind === "state" || all.some((row) => typeof row[1] === "boolean");
  const shown = (value: History["rows"][number][1]) =>
    value === null ? t("value.unknown") : typeof value === "boolean" ? t(value ? "value.true" : "value.false") : `${value} ${point.unit}`;
  const said = (text: string) => (text === "true" || text === "false" ? t(`value.${text}`) : text);
  const toS = Math.max((loaded?.loadedAt ?? 0) / 1000, data.x[data.x.length - 1] ?? 0);
  const firstS = data.x[0] ?? toS;
  // A point that is younger than a day is shown over its own time, or a minute of values would be one dot.
  const fromS = Math.max(toS - 86_400, Math.min(firstS, toS - 60));
  return (
    <section>
      <h3>
        {title}
        {point.unit && <span className="second"> {point.unit}</span>}
      </h3>
      {state.phase === "failed" && <Failure title={t("device.chartfailed")} error={state.error} onRetry={again} />}
      {state.phase === "loading" && !loaded && <Words>{t("device.loading")}</Words>}
      {loaded && !summary && <Words>{t("device.chartempty")}</Words>}
      {loaded && summary && (
        <>
          <Canvas
            key={address}
            data={data}
            stepped={stepped}
            zone={times.zone}
            fromS={fromS}
            toS={toS}
            label={t("device.chartlabel", { name: label(point), from: long(fromS * 1000), to: long(toS * 1000), min: said(summary.min), max: said(summary.max), last: said(summary.last) })}
            readout={(at) => {
              const time = data.x[at];
              const row = time === undefined ? undefined : all.find((one) => one[0] === Math.round(time * 1000));
              return row && numberOf(row[1]) !== null ? `${long(row[0])} · ${shown(row[1])}` : "";
            }}
          />
          {loaded.history.thinned && <p className="second">{t("device.thinned")}</p>}
          <details className="numbers">
            <summary>{t("device.charttable")}</summary>
            <table className="table">
              <tbody>
                {all
                  .slice(-TABLE_ROWS)
                  .reverse()
                  .map(([at, value, quality], index) => (
                    <tr key={`${at}-${index}`}>
                      <td>{long(at)}</td>
                      <td className="num">{shown(value)}</td>
                      <td>{quality === null ? "" : word("quality", quality)}</td>
                    </tr>
                  ))}
              </tbody>
            </table>
          </details>
        </>
      )}
    </section>
  );
}
