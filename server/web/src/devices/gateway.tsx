import { call, query } from "../api/client";
import type { Gateway, LaneReceipt, Receipt } from "../api/types";
import { useI18n } from "../i18n";
import { causeText } from "../i18n/cause";
import { gateways } from "../store/stores";
import { useLoad, useNow, useStore } from "../ui/hooks";
import { Failure, Words } from "../ui/parts";
import { Time } from "../ui/times";
import { BackButton } from "./device";

const ASK_MS = 5_000;
const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function bytesText(bytes: number | null): string {
  if (bytes === null) return "–";
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

function GatewayFacts({ gateway }: { gateway: Gateway }) {
  const { t, word, language } = useI18n();
  const versions = Object.entries(gateway.versions);
  return (
    <dl className="facts">
      <dt>{t("gw.state")}</dt>
      <dd>
        <span className={`conn conn-${gateway.online ? "online" : "offline"}`}>{t(gateway.online ? "gw.online" : "gw.offline")}</span>
        {gateway.since && (
          <>
            {" · "}
            {t("gw.since")} <Time at={gateway.since} site={gateway.site} />
          </>
        )}
      </dd>
      {gateway.why && (
        <>
          <dt>{t("gw.why")}</dt>
          <dd>{causeText(language, gateway.why)}</dd>
        </>
      )}
      <dt>{t("gw.lastseen")}</dt>
      <dd>
        <Time at={gateway.last_seen_at} site={gateway.site} />
      </dd>
      <dt>{t("gw.devices")}</dt>
      <dd>{t("gw.devicecount", { n: gateway.devices, off: gateway.offline })}</dd>
      <dt>{t("gw.clock")}</dt>
      <dd>{gateway.clock === null ? "–" : word("clock", gateway.clock)}</dd>
      {gateway.timezone && (
        <>
          <dt>{t("gw.zone")}</dt>
          <dd>{gateway.timezone}</dd>
        </>
      )}
      <dt>{t("gw.disk")}</dt>
      <dd>{bytesText(gateway.free_disk)}</dd>
      {gateway.config && (
        <>
          <dt>{t("gw.config")}</dt>
          <dd>
            <code className="wrap">{gateway.config.slice(0, 19)}…</code>
          </dd>
        </>
      )}
      {versions.length > 0 && (
        <>
          <dt>{t("gw.versions")}</dt>
          <dd>{versions.map(([name, version]) => `${name} ${version}`).join(", ")}</dd>
        </>
      )}
    </dl>
  );
}

function Lanes({ gateway }: { gateway: Gateway }) {
  const { t, word } = useI18n();
  const lanes = Object.entries(gateway.lanes);
  if (lanes.length === 0) return null;
  return (
    <>
      <h3>{t("gw.lanes")}</h3>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">{t("gw.lane")}</th>
            <th scope="col" className="num">
              {t("gw.waiting")}
            </th>
            <th scope="col" className="num">
              {t("gw.bytes")}
            </th>
            <th scope="col">{t("gw.oldest")}</th>
          </tr>
        </thead>
        <tbody>
          {lanes.map(([name, lane]) => (
            <tr key={name}>
              <th scope="row">{word("gw.lane", name)}</th>
              <td className="num">{Math.max(0, lane.next - lane.first)}</td>
              <td className="num">{bytesText(lane.bytes ?? 0)}</td>
              <td>
                <Time at={lane.oldest_at ?? null} site={gateway.site} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function ReceiptRow({ lane }: { lane: LaneReceipt }) {
  const { t, word, language } = useI18n();
  const range = ([a, b]: [number, number]) => (a === b ? String(a) : `${a}–${b}`);
  const more = lane.more_missing || lane.missing.length > 8 ? " …" : "";
  return (
    <tr>
      <th scope="row">
        {word("gw.lane", lane.lane)} <span className="second">{lane.epoch.slice(0, 8)}</span>
      </th>
      <td className="num" data-label={t("gw.through")}>
        {lane.stored_through}
      </td>
      <td className="num" data-label={t("gw.highest")}>
        {lane.highest_seen}
      </td>
      <td className={lane.missing_count > 0 ? "trouble" : "second"} data-label={t("gw.missing")}>
        {lane.missing_count === 0 ? t("gw.complete") : `${lane.missing_count}: ${lane.missing.slice(0, 8).map(range).join(", ")}${more}`}
      </td>
      <td className={`num ${lane.quarantined > 0 ? "trouble" : ""}`} data-label={t("gw.quarantined")}>
        {lane.quarantined}
      </td>
      <td data-label={t("gw.gaps")}>
        {lane.gaps.length === 0 ? "0" : lane.gaps.slice(0, 5).map((gap) => t("gw.gap", { a: gap.first, b: gap.last, why: causeText(language, gap.reason) })).join("; ")}
        {lane.gaps.length > 5 ? " …" : ""}
      </td>
    </tr>
  );
}

function Delivery({ site, id }: { site: string; id: string }) {
  const { t } = useI18n();
  const round = Math.floor(useNow(ASK_MS) / ASK_MS);
  const path = `gateways/${encodeURIComponent(id)}/delivery${query({ site })}`;
  const [state, again] = useLoad(`${path}#${round}`, (signal) => call<Receipt>("GET", path, undefined, signal), path);
  const lanes = state.data?.lanes ?? [];
  return (
    <section>
      <h3>{t("gw.delivery")}</h3>
      <p className="second">{t("gw.deliveryhelp")}</p>
      {state.phase === "failed" && <Failure title={t("gw.deliveryfailed")} error={state.error} onRetry={again} />}
      {state.data && lanes.length === 0 && <p className="second">{t("gw.deliverynone")}</p>}
      {lanes.length > 0 && (
        <div className="scroll-x">
          <table className="table table-cards">
            <thead>
              <tr>
                <th scope="col">{t("gw.lane")}</th>
                <th scope="col" className="num">
                  {t("gw.through")}
                </th>
                <th scope="col" className="num">
                  {t("gw.highest")}
                </th>
                <th scope="col">{t("gw.missing")}</th>
                <th scope="col" className="num">
                  {t("gw.quarantined")}
                </th>
                <th scope="col">{t("gw.gaps")}</th>
              </tr>
            </thead>
            <tbody>
              {lanes.map((lane) => (
                <ReceiptRow key={`${lane.epoch}/${lane.lane}`} lane={lane} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function GatewayView({ site, id, onBack }: { site: string; id: string; onBack: (() => void) | null }) {
  const { t } = useI18n();
  useStore(gateways);
  const gateway = gateways.get(`${site}/${id}`);
  if (!gateway) {
    return (
      <div className="card-pane">
        {onBack && <BackButton onBack={onBack} />}
        <Words title={t("device.gone")}>
          <p>{t("device.gonehelp")}</p>
        </Words>
      </div>
    );
  }
  return (
    <div className="card-pane">
      {onBack && <BackButton onBack={onBack} />}
      <h2>{t("gw.title", { name: gateway.id })}</h2>
      <p className="second">{gateway.site}</p>
      <GatewayFacts gateway={gateway} />
      <Lanes gateway={gateway} />
      <Delivery site={site} id={id} />
    </div>
  );
}
