/** What the camera of an alarm sees or saw: asked for by a guard, fetched by the gateway, shown to whoever reads the alarm. */

import { useEffect, useState } from "react";
import { API, call, operationId } from "../api/client";
import type { Alarm, Picture, Role } from "../api/types";
import { useI18n } from "../i18n";
import { causeText } from "../i18n/cause";
import { may } from "../shell/roles";
import { devices, gateways } from "../store/stores";
import { useLoad, useStore } from "../ui/hooks";
import { Failure, useErrorText } from "../ui/parts";
import { Time, useTimes } from "../ui/times";
import { momentOf, namesPicture } from "./evidence";

const AGAIN_MS = 1_000;

interface Props {
  alarm: Alarm;
  /** Null where pictures are only looked at. */
  role: Role | null;
}

/** Nothing at all for alarms that no camera has to do with. */
export function Pictures({ alarm, role }: Props) {
  useStore(devices);
  const camera = devices.get(`${alarm.site}/${alarm.device}`);
  if (camera?.class !== "camera" && !namesPicture(alarm.evidence)) return null;
  return <OfCamera key={alarm.id} alarm={alarm} role={role} gateway={camera?.gateway ?? alarm.gateway} />;
}

function OfCamera({ alarm, role, gateway }: Props & { gateway: string }) {
  const { t } = useI18n();
  const path = `alarms/${encodeURIComponent(alarm.id)}/snapshots`;
  const [state, again] = useLoad(`${path}@${alarm.q}`, (signal) => call<{ snapshots: Picture[] }>("GET", path, undefined, signal), path);
  const all = state.data?.snapshots ?? [];
  const pending = all.some((one) => one.state === "pending");
  // Only engineers may hear of tools on the stream: whoever waits for a picture asks, after each answer once more.
  useEffect(() => {
    if (!pending || state.phase === "failed") return;
    const timer = setTimeout(again, AGAIN_MS);
    return () => clearTimeout(timer);
  }, [state]);
  return (
    <section className="pictures" aria-label={t("pictures.title")} aria-busy={pending}>
      <h3>{t("pictures.title")}</h3>
      {role && may(role, "guard") && <Asking alarm={alarm} gateway={gateway} all={all} pending={pending} onAsked={again} />}
      {state.phase === "failed" && <Failure title={t("pictures.loadfailed")} error={state.error} onRetry={again} />}
      {state.phase === "loading" && !state.data && <p className="second">{t("pictures.loading")}</p>}
      {state.data && all.length === 0 && <p className="second">{t("pictures.none")}</p>}
      <div role="status">{pending && <p>{t("pictures.coming")}</p>}</div>
      {all.length > 0 && (
        <ul>
          {all.map((one) => (
            <One key={one.n} alarm={alarm} picture={one} />
          ))}
        </ul>
      )}
    </section>
  );
}

interface AskingProps {
  alarm: Alarm;
  gateway: string;
  all: Picture[];
  pending: boolean;
  onAsked: () => void;
}

function Asking({ alarm, gateway, all, pending, onAsked }: AskingProps) {
  const { t } = useI18n();
  const errorText = useErrorText();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useStore(gateways);
  const offline = gateways.get(`${alarm.site}/${gateway}`)?.online === false;
  const ask = async (of: Picture["of"]) => {
    setBusy(true);
    setError(null);
    try {
      await call("POST", `alarms/${encodeURIComponent(alarm.id)}/snapshot`, { op_id: operationId(), of });
      onAsked();
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  const off = busy || pending || offline;
  const had = all.some((one) => one.of === "moment" && one.state === "kept");
  return (
    <>
      <div className="buttons">
        <button type="button" disabled={off} onClick={() => void ask("now")}>
          {t("pictures.now")}
        </button>
        {namesPicture(alarm.evidence) && !had && (
          <button type="button" disabled={off} onClick={() => void ask("moment")}>
            {t("pictures.moment")}
          </button>
        )}
      </div>
      {offline && <p className="hint">{t("pictures.offline")}</p>}
      <div role="alert">{error !== null && <p>{`${t("pictures.failed")} ${errorText(error)}`}</p>}</div>
    </>
  );
}

function One({ alarm, picture }: { alarm: Alarm; picture: Picture }) {
  const { t, language } = useI18n();
  const times = useTimes(alarm.site);
  const [broken, setBroken] = useState(false);
  if (picture.state === "pending") return null;
  if (picture.state === "failed") {
    return (
      <li className="picture-none">
        {t("pictures.failed")} {causeText(language, picture.why)}
      </li>
    );
  }
  const at = picture.taken_at ?? (picture.of === "moment" ? momentOf(alarm.evidence) : null);
  const url = `${API}/alarms/${encodeURIComponent(alarm.id)}/snapshots/${picture.n}`;
  const name = t("pictures.alt", { name: alarm.device_name || alarm.device, time: at ? times.long(at) : "–" });
  return (
    <li>
      <figure>
        {broken ? (
          <p className="picture-none">{t("pictures.broken")}</p>
        ) : (
          <a href={url} target="_blank" rel="noreferrer">
            <img src={url} alt={name} loading="lazy" onError={() => setBroken(true)} />
          </a>
        )}
        <figcaption>
          {at ? <Time at={at} site={alarm.site} /> : "–"} {t(picture.of === "moment" ? "pictures.moment" : "pictures.live")} <b>{picture.by}</b>
        </figcaption>
      </figure>
    </li>
  );
}
