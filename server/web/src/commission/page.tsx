import { type ReactNode, useEffect } from "react";
import { call, query } from "../api/client";
import type { Gateway, Line } from "../api/types";
import { useI18n } from "../i18n";
import { causeText } from "../i18n/cause";
import { LinkState } from "../shell/link";
import { useSignal } from "../store/signal";
import { gateways, loading, reload, watchTopic } from "../store/stores";
import { NARROW, useLoad, useMedia, useStore } from "../ui/hooks";
import { Failure, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { SoundControl } from "../ui/sound";
import { Time } from "../ui/times";
import { CertifyPart } from "./certify";
import { ConfigPart } from "./config";
import { FramesPart } from "./frames";
import { type Place, useJobs } from "./jobs";
import { JobBar } from "./parts";
import { PointsPart } from "./points";
import { ScanPart } from "./scan";
import { atWork, type PartProps } from "./view";

const VIEWS = ["scan", "points", "frames", "config", "certify"] as const;
type View = (typeof VIEWS)[number];

const TOOL_OF: Record<View, string> = { scan: "scan", points: "read", frames: "trace", config: "", certify: "certify" };

function Tabs({ view }: { view: View }) {
  const { t } = useI18n();
  const [, change] = useSearch();
  return (
    <nav className="com-tabs" aria-label={t("com.parts")}>
      {VIEWS.map((one) => (
        <button key={one} type="button" aria-current={one === view ? "page" : undefined} onClick={() => change({ view: one, job: null })}>
          {t(`com.view.${one}`)}
        </button>
      ))}
    </nav>
  );
}

interface PickProps {
  all: readonly Gateway[];
  gateway: Gateway;
  lines: readonly Line[];
  line: Line | undefined;
  withLine: boolean;
}

function Pick({ all, gateway, lines, line, withLine }: PickProps) {
  const { t } = useI18n();
  const [, change] = useSearch();
  const key = (one: Gateway) => `${one.site}/${one.id}`;
  return (
    <div className="filters com-pick" role="search" aria-label={t("com.pick")}>
      <label>
        {t("com.gateway")}
        <select value={key(gateway)} onChange={(event) => change({ gateway: event.target.value, line: null, job: null, device: null })}>
          {all.map((one) => (
            <option key={key(one)} value={key(one)}>
              {one.id} · {one.site}
              {one.online ? "" : ` · ${t("gw.offline")}`}
            </option>
          ))}
        </select>
      </label>
      {withLine && lines.length > 0 && (
        <label>
          {t("com.theline")}
          <select value={line?.id ?? ""} onChange={(event) => change({ line: event.target.value, job: null, device: null })}>
            {lines.map((one) => (
              <option key={one.id} value={one.id}>
                {one.id} · {one.label || one.endpoint}
              </option>
            ))}
          </select>
        </label>
      )}
      {withLine && line?.label && <code className="second wrap">{line.endpoint}</code>}
    </div>
  );
}

function Offline({ gateway }: { gateway: Gateway }) {
  const { t, language } = useI18n();
  return (
    <div className="banner banner-stale" role="status">
      <span>
        {t("com.offline")} {t("gw.lastseen")} <Time at={gateway.last_seen_at} site={gateway.site} />
        {gateway.why && ` (${causeText(language, gateway.why)})`}
      </span>
    </div>
  );
}

const PARTS: Record<Exclude<View, "config">, (props: PartProps) => ReactNode> = { scan: ScanPart, points: PointsPart, frames: FramesPart, certify: CertifyPart };

interface BodyProps {
  gateway: Gateway;
  place: Place;
  line: Line;
  view: Exclude<View, "config">;
}

function Body({ gateway, place, line, view }: BodyProps) {
  const { t } = useI18n();
  const { jobs, asked, again } = useJobs(place);
  const Part = PARTS[view];
  const other = atWork(jobs, line.id);
  if (asked.phase === "failed" && jobs.length === 0) return <Failure title={t("com.jobs.failed")} error={asked.error} onRetry={again} />;
  if (asked.phase === "loading") return <Words>{t("com.jobs.loading")}</Words>;
  return (
    <>
      {other && other.tool !== TOOL_OF[view] && (
        <JobBar job={other}>
          <p className="second">{t("com.linebusy")}</p>
        </JobBar>
      )}
      <Part key={`${place.site}/${place.gateway}/${line.id}`} place={place} line={line} jobs={jobs} online={gateway.online} />
    </>
  );
}

function AtGateway({ gateway, all, view }: { gateway: Gateway; all: readonly Gateway[]; view: View }) {
  const { t } = useI18n();
  const [search, change] = useSearch();
  const narrow = useMedia(NARROW);
  const place = { site: gateway.site, gateway: gateway.id };
  const path = `gateways/${encodeURIComponent(gateway.id)}/lines${query({ site: gateway.site })}`;
  // A configuration that was applied may have brought other lines.
  const [state, again] = useLoad(`${path}#${gateway.config ?? ""}`, (signal) => call<{ lines: Line[] }>("GET", path, undefined, signal), path);
  const lines = state.data?.lines ?? [];
  const line = lines.find((one) => one.id === search.get("line")) ?? lines[0];
  const chosen = search.get("line");
  useEffect(() => {
    if (line && chosen !== line.id) change({ line: line.id }, true);
  }, [line?.id, chosen]);
  // On a telephone the choice scrolls away with the rest: what is found needs the room.
  const pick = <Pick all={all} gateway={gateway} lines={lines} line={line} withLine={view !== "config"} />;
  return (
    <>
      {!narrow && pick}
      <Tabs view={view} />
      {!gateway.online && <Offline gateway={gateway} />}
      <div className="com-body scroll">
        {narrow && pick}
        {view === "config" ? (
          <ConfigPart key={`${place.site}/${place.gateway}`} place={place} online={gateway.online} />
        ) : line ? (
          <Body gateway={gateway} place={place} line={line} view={view} />
        ) : state.phase === "failed" ? (
          <Failure title={t("com.lines.failed")} error={state.error} onRetry={again} />
        ) : state.phase === "loading" ? (
          <Words>{t("com.lines.loading")}</Words>
        ) : (
          <Words title={t("com.lines.none")}>
            <p>{t("com.lines.help")}</p>
            <button type="button" onClick={() => change({ view: "config" })}>
              {t("com.view.config")}
            </button>
          </Words>
        )}
      </div>
    </>
  );
}

export function CommissionPage() {
  const { t } = useI18n();
  const [search] = useSearch();
  useStore(gateways);
  // Once for all parts: to turn from one to another must not break the stream.
  useEffect(() => {
    const ends = [watchTopic("tools"), watchTopic("configs")];
    return () => {
      for (const end of ends) end();
    };
  }, []);
  const phase = useSignal(loading);
  const all = gateways.all().sort((a, b) => (`${a.site}/${a.id}` < `${b.site}/${b.id}` ? -1 : 1));
  const gateway = all.find((one) => `${one.site}/${one.id}` === search.get("gateway")) ?? all.find((one) => one.online) ?? all[0];
  const view = VIEWS.find((one) => one === search.get("view")) ?? "scan";
  let content: ReactNode;
  if (gateway) content = <AtGateway key={`${gateway.site}/${gateway.id}`} gateway={gateway} all={all} view={view} />;
  else if (phase.phase === "failed") content = <Failure title={t("com.gateways.failed")} error={phase.error} onRetry={reload} />;
  else if (phase.phase !== "ready") content = <Words>{t("com.jobs.loading")}</Words>;
  else {
    content = (
      <Words title={t("com.gateways.none")}>
        <p>{t("com.gateways.help")}</p>
      </Words>
    );
  }
  return (
    <div className="page">
      <header className="head">
        <h1>{t("com.title")}</h1>
        <LinkState />
        <span className="space" />
        <SoundControl />
      </header>
      {content}
    </div>
  );
}
