import { useEffect, useState } from "react";
import { ApiError, call } from "../api/client";
import type { Device, DeviceDetail, Point, Role } from "../api/types";
import { useI18n } from "../i18n";
import { causeText } from "../i18n/cause";
import { ageText } from "../i18n/text";
import { may } from "../shell/roles";
import { rank } from "../store/news";
import { useSignal } from "../store/signal";
import { alarms, devices, feed, onValues, watchTopic } from "../store/stores";
import { useLoad, useNow, useStore } from "../ui/hooks";
import { Fact, Failure, Mark, Words } from "../ui/parts";
import { go, useSearch } from "../ui/router";
import { Time, useTimes } from "../ui/times";
import { DeviceRecords } from "../records/device";
import { spaced } from "../reads/decimal";
import { PointChart } from "./chart";
import { CommandDialog } from "./command";
import { freshness } from "./values";

function DeviceFacts({ device }: { device: Device }) {
  const { t, word, place, language } = useI18n();
  return (
    <dl className="facts">
      <Fact name={t("gw.state")}>
        <span className={`conn conn-${device.conn}`}>{t(`conn.${device.conn}`)}</span>
        {device.silent_since && (
          <>
            {" · "}
            {t("device.silent")} <Time at={device.silent_since} site={device.site} />
          </>
        )}
      </Fact>
      <Fact name={t("device.lastseen")}>
        <Time at={device.last_seen_at} site={device.site} />
      </Fact>
      <Fact name={t("device.model")}>{[word("class", device.class), device.vendor, device.model].filter(Boolean).join(" · ")}</Fact>
      <Fact name={t("device.place")}>{place(device, ["building", "floor", "place", "site"])}</Fact>
      <Fact name={t("device.line")}>
        {device.gateway} · {device.line}
        {device.unit === null ? "" : ` · ${device.unit}`}
        {device.address && (
          <>
            {" · "}
            <code>{device.address}</code>
          </>
        )}
      </Fact>
      {device.speaks && (
        <Fact name={t("device.hearing")}>
          {t(device.class === "camera" ? "device.attended" : "device.speaks")} · {device.heard_within_s === null ? t("device.neversilent") : t("device.silentafter", { time: ageText(language, device.heard_within_s * 1000) })}
        </Fact>
      )}
      {device.meter && (
        <>
          <Fact name={t("device.meter")}>{device.meter.metering_point}</Fact>
          <Fact name={t("device.multiplier")}>× {device.meter.multiplier}</Fact>
          {device.meter.reader && <Fact name={t("device.reader")}>{device.meter.reader}</Fact>}
          {device.meter.serial && <Fact name={t("device.serial")}>{device.meter.serial}</Fact>}
        </>
      )}
    </dl>
  );
}

function ValueText({ point, now }: { point: Point; now: number }) {
  const { t } = useI18n();
  const fresh = freshness(point, now);
  const text =
    point.value === null ? t("value.unknown") : typeof point.value === "boolean" ? t(point.value ? "value.true" : "value.false") : spaced(point.value);
  return (
    <span className={`value value-${fresh}`}>
      {text}
      {point.value !== null && typeof point.value !== "boolean" && point.unit && <span className="unit"> {point.unit}</span>}
    </span>
  );
}

interface PointsProps {
  site: string;
  points: Point[];
  charted: string | null;
  onChart: (point: string) => void;
}

function Points({ site, points, charted, onChart }: PointsProps) {
  const times = useTimes(site);
  const { t, label, word, language } = useI18n();
  const now = useNow(1000) + (useSignal(feed).skew ?? 0);
  if (points.length === 0) return <p className="second">{t("device.none")}</p>;
  return (
    <table className="table points">
      <thead>
        <tr>
          <th scope="col">{t("device.point")}</th>
          <th scope="col" className="num">
            {t("device.value")}
          </th>
          <th scope="col">{t("device.quality")}</th>
          <th scope="col">{t("device.age")}</th>
        </tr>
      </thead>
      <tbody>
        {points.map((point) => {
          const fresh = freshness(point, now);
          const quality = point.quality === null ? t("quality.none") : word("quality", point.quality);
          const clock = point.clock === "unset" ? ` · ${t("reads.clock")} ${word("clock", point.clock)}` : "";
          return (
            <tr key={point.id} className={`point-${fresh}`}>
              <th scope="row">
                <button type="button" className="plain" aria-pressed={point.id === charted} onClick={() => onChart(point.id)}>
                  {label(point)}
                </button>
                {point.billing && <span className="tag">{t("device.billing")}</span>}
              </th>
              <td className="num">
                <ValueText point={point} now={now} />
              </td>
              <td>
                {fresh === "stale" && point.quality === "good" ? t("quality.uncertain.stale") : quality}
                {clock}
              </td>
              <td>{point.at === null ? "–" : <span title={times.full(point.at)}>{ageText(language, now - Date.parse(point.at))}</span>}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function States({ detail }: { detail: DeviceDetail }) {
  const { t, word, language } = useI18n();
  // Names and places are data: only what the server has words for is translated.
  const said = (field: string, value: string) => (field === "conn" ? word("conn", value) : field === "lifecycle" ? word("lifecycle", value) : field === "speaks" ? word("value", value) : value);
  return (
    <section>
      <h3>{t("device.states")}</h3>
      {detail.states.length === 0 ? (
        <p className="second">{t("device.nostates")}</p>
      ) : (
        <ol className="journal">
          {detail.states.slice(0, 50).map((state) => (
            <li key={`${state.at}${state.field}${state.new}`}>
              <Time at={state.at} site={detail.device.site} className="journal-time" />
              <span>
                {state.field === "conn" ? "" : word("field", state.field)}
                {/* The server's own numbers of gateways and profiles say nothing to anybody. */}
                {!state.field.endsWith("_id") && (
                  <>
                    {state.field === "conn" ? "" : t("device.colon")}
                    {state.old === null || state.old === "" ? "" : `${said(state.field, state.old)} → `}
                    <b>{state.new === null || state.new === "" ? "–" : said(state.field, state.new)}</b>
                  </>
                )}
                {state.cause && <span className="second"> {causeText(language, state.cause)}</span>}
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

/** Points with their newest values: loaded once, then kept by the stream. */
function useLivePoints(site: string, id: string, loaded: DeviceDetail | null): Point[] {
  const [points, setPoints] = useState<Point[]>([]);
  useEffect(() => {
    if (loaded) setPoints(loaded.points);
  }, [loaded]);
  useEffect(() => watchTopic(`values:${site}/${id}`), [site, id]);
  useEffect(
    () =>
      onValues((values) => {
        const mine = new Map(values.filter((one) => one[0] === site && one[1] === id).map((one) => [one[2], one]));
        if (mine.size === 0) return;
        setPoints((old) =>
          old.map((point) => {
            const live = mine.get(point.id);
            if (!live || (point.at !== null && live[3] < point.at)) return point;
            return { ...point, at: live[3], value: live[4], quality: live[5] };
          }),
        );
      }),
    [site, id],
  );
  return points;
}

export function BackButton({ onBack }: { onBack: () => void }) {
  const { t } = useI18n();
  return (
    <button type="button" className="back" onClick={onBack}>
      ‹ {t("devices.back")}
    </button>
  );
}

/** A guard may release doors; every other command needs an engineer (the server decides, the page does not tempt). */
const mayOrder = (role: Role, device: Device, action: string): boolean =>
  may(role, "engineer") || (may(role, "guard") && device.class === "access" && action === "release");

export function DeviceView({ site, id, role, onBack }: { site: string; id: string; role: Role; onBack: (() => void) | null }) {
  const { t, label } = useI18n();
  useStore(devices);
  useStore(alarms);
  const [search, change] = useSearch();
  const [asked, setAsked] = useState<string | null>(null);
  const path = `devices/${encodeURIComponent(site)}/${encodeURIComponent(id)}`;
  const [state, again] = useLoad(path, (signal) => call<DeviceDetail>("GET", path, undefined, signal));
  const points = useLivePoints(site, id, state.data);
  const device = devices.get(`${site}/${id}`) ?? state.data?.device;
  if (!device) {
    if (state.phase === "failed" && state.error instanceof ApiError && state.error.status === 404) {
      return (
        <div className="card-pane">
          {onBack && <BackButton onBack={onBack} />}
          <Words title={t("device.gone")}>
            <p>{t("device.gonehelp")}</p>
          </Words>
        </div>
      );
    }
    if (state.phase === "failed") return <Failure title={t("device.failed")} error={state.error} onRetry={again} />;
    return <Words>{t("device.loading")}</Words>;
  }
  const open = alarms.all().filter((alarm) => alarm.site === site && alarm.device === id);
  const charted = search.get("point") ?? points.find((point) => point.billing)?.id ?? points[0]?.id ?? null;
  const point = points.find((one) => one.id === charted);
  const actions = device.actions.filter((one) => mayOrder(role, device, one.id));
  const action = actions.find((one) => one.id === asked);
  return (
    <div className="card-pane">
      {onBack && <BackButton onBack={onBack} />}
      <h2>{device.name || device.id}</h2>
      {open.length > 0 && (
        <p>
          <button type="button" className="plain" onClick={() => go(`/alarms?q=${encodeURIComponent(device.id)}&site=${encodeURIComponent(site)}`)}>
            <Mark severity={open.reduce((a, b) => (rank(b.severity) < rank(a.severity) ? b : a)).severity} /> {t("device.openalarms", { n: open.length })}
          </button>
        </p>
      )}
      {actions.length > 0 && (
        <div className="buttons" role="group" aria-label={t("device.commands")}>
          {actions.map((one) => (
            <button type="button" key={one.id} onClick={() => setAsked(one.id)}>
              {label(one)}…
            </button>
          ))}
        </div>
      )}
      <DeviceFacts device={device} />
      {state.data && device.speaks && points.length === 0 ? null : <h3>{t("device.points")}</h3>}
      {state.phase === "failed" && <Failure title={t("device.failed")} error={state.error} onRetry={again} />}
      {state.phase === "loading" && points.length === 0 ? (
        <Words>{t("device.loading")}</Words>
      ) : points.length === 0 && (state.phase === "failed" || device.speaks) ? null : (
        <Points site={site} points={points} charted={charted} onChart={(name) => change({ point: name }, true)} />
      )}
      {point && <PointChart path={path} site={site} point={point} />}
      {state.data && <DeviceRecords device={device} />}
      {state.data && <States detail={state.data} />}
      {action && <CommandDialog device={device} action={action} onClose={() => setAsked(null)} />}
    </div>
  );
}
