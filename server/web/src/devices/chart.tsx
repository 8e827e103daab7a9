import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { call, query } from "../api/client";
import type { History, Point } from "../api/types";
import { useI18n } from "../i18n";
import { longTime } from "../i18n/time";
import { useSignal } from "../store/signal";
import { useLoad } from "../ui/hooks";
import { Failure, Words } from "../ui/parts";
import { theme } from "../ui/theme";
import { numberOf, type Series, seriesOf, summaryOf } from "./series";

const HEIGHT = 190;
const TABLE_ROWS = 60;

function optionsFor(width: number, stepped: boolean, fromS: number, toS: number): uPlot.Options {
  const css = getComputedStyle(document.documentElement);
  const token = (name: string) => css.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: token("--second"),
    grid: { stroke: token("--hair"), width: 1 },
    ticks: { stroke: token("--hair"), width: 1 },
    font: `12px ${css.fontFamily}`,
  };
  const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
  const series: uPlot.Series = { stroke: token("--data"), width: 1.5, points: { show: false } };
  if (stepped && uPlot.paths.stepped) series.paths = uPlot.paths.stepped({ align: 1 });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: true, range: () => [fromS, toS] }, ...(stepped ? { y: { range: () => [-0.1, 1.1] as [number, number] } } : {}) },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((tick) => time.format(tick * 1000)) },
      { ...axis, size: 64, ...(stepped ? { values: (_, ticks: number[]) => ticks.map((tick) => (tick === 0 || tick === 1 ? String(tick) : "")) } : {}) },
    ],
    series: [{}, series],
  };
}

function Canvas({ data, stepped, fromS, toS, label, readout }: { data: Series; stepped: boolean; fromS: number; toS: number; label: string; readout: (at: number) => string }) {
  const box = useRef<HTMLDivElement>(null);
  const says = useRef<HTMLParagraphElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useSignal(theme);
  const latest = useRef({ data, readout });
  latest.current = { data, readout };
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const options = optionsFor(Math.max(240, element.clientWidth), stepped, fromS, toS);
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
  }, [stepped, shown, fromS, toS]);
  useEffect(() => plot.current?.setData([data.x, data.y] as uPlot.AlignedData), [data]);
  return (
    <>
      <div ref={box} className="chart" role="img" aria-label={label} />
      <p ref={says} className="chart-says second" aria-hidden="true" />
    </>
  );
}

export function PointChart({ path, point }: { path: string; point: Point }) {
  const { t, label, word } = useI18n();
  const address = `${path}/history${query({ point: point.id, limit: 2000 })}`;
  const [state, again] = useLoad(address, async (signal) => ({ history: await call<History>("GET", address, undefined, signal), loadedAt: Date.now() }));
  const loaded = state.data;
  const rows = useMemo(() => {
    const old = loaded?.history.rows ?? [];
    const last = old[old.length - 1];
    const at = point.at === null ? null : Date.parse(point.at);
    if (at === null || (last && at <= last[0])) return old;
    return [...old, [at, point.value, point.quality] as History["rows"][number]];
  }, [loaded, point.at, point.value, point.quality]);
  const grown = useRef<History["rows"]>([]);
  const from = useRef(loaded);
  if (from.current !== loaded) {
    from.current = loaded;
    grown.current = [];
  }
  const tail = rows[rows.length - 1];
  const kept = grown.current[grown.current.length - 1];
  if (loaded && tail && rows.length > loaded.history.rows.length && (!kept || tail[0] > kept[0])) grown.current = [...grown.current, tail];
  const all = loaded ? [...loaded.history.rows, ...grown.current] : [];
  const size = all.length;
  const data = useMemo(() => seriesOf(all, point.period_s ?? 0), [loaded, size]);
  const summary = useMemo(() => summaryOf(all), [loaded, size]);
  const title = t("device.chart", { name: label(point) });
  const stepped = point.kind === "state" || all.some((row) => typeof row[1] === "boolean");
  const shown = (value: History["rows"][number][1]) =>
    value === null ? t("value.unknown") : typeof value === "boolean" ? t(value ? "value.true" : "value.false") : `${value} ${point.unit}`;
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
            fromS={fromS}
            toS={toS}
            label={t("device.chartlabel", { name: label(point), from: longTime(new Date(fromS * 1000).toISOString()), to: longTime(new Date(toS * 1000).toISOString()), ...summary })}
            readout={(at) => {
              const time = data.x[at];
              const row = time === undefined ? undefined : all.find((one) => one[0] === Math.round(time * 1000));
              return row && numberOf(row[1]) !== null ? `${longTime(new Date(row[0]).toISOString())} · ${shown(row[1])}` : "";
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
                      <td>{longTime(new Date(at).toISOString())}</td>
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
