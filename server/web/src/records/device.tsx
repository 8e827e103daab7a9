import { query } from "../api/client";
import type { Device } from "../api/types";
import { useI18n } from "../i18n";
import { Link } from "../ui/link";
import { Failure } from "../ui/parts";
import { useRecords } from "./live";
import { RecordTable } from "./table";

const NEWEST = 20;
/** Devices of these classes tell records: that there are none yet says something. */
const TELLING = new Set(["access", "vehicle"]);

/** The newest records of a device; nothing at all where the device is of a kind that tells none. */
export function DeviceRecords({ device }: { device: Device }) {
  const { t } = useI18n();
  const { site, id } = device;
  const path = `devices/${encodeURIComponent(site)}/${encodeURIComponent(id)}/records${query({ limit: NEWEST })}`;
  const list = useRecords(path, { site, building: "", cls: "", device: id, from: null, to: null }, () => false);
  const { state } = list;
  if (state.phase !== "failed" && state.rows.length === 0 && (state.phase === "loading" || !TELLING.has(device.class))) return null;
  return (
    <section className="device-records">
      <h3>{t("records.ofdevice")}</h3>
      {state.phase === "failed" && <Failure title={t("records.failed")} error={state.error} onRetry={list.again} />}
      {state.rows.length > 0 && <RecordTable list={state.rows} one />}
      {state.phase === "ready" && state.rows.length === 0 && <p className="second">{t("records.none")}</p>}
      {state.next !== null && (
        <p>
          <Link to={`/records?device=${encodeURIComponent(`${site}/${id}`)}`}>{t("records.all")}</Link>
        </p>
      )}
    </section>
  );
}
