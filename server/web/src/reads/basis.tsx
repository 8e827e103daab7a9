import type { Boundary, ReadRow } from "../api/types";
import { useI18n } from "../i18n";
import { Dialog } from "../ui/parts";
import { useTimes } from "../ui/times";
import { spaced } from "./decimal";
import { reasonText } from "./reason";

function Side({ name, boundary, at, unit, site }: { name: string; boundary: Boundary; at: string; unit: string; site: string }) {
  const { t, word, language } = useI18n();
  const times = useTimes(site);
  return (
    <section className="basis-side">
      <h3>{name}</h3>
      <p className="basis-value num">
        {boundary.value === null ? <span className="trouble">{t("reads.missingvalue")}</span> : `${spaced(boundary.value)} ${unit}`}
      </p>
      <p className="second">
        {t("reads.at", { time: times.long(at) })} · {t(`method.${boundary.method}`)}
      </p>
      {boundary.basis.length === 0 && <p>{boundary.why ? reasonText(language, boundary.why) : t("reads.nobasis")}</p>}
      {boundary.basis.map((basis) => (
        <dl className="facts" key={`${basis.epoch}/${basis.seq}/${basis.index}/${basis.at}`}>
          <dt>{t("reads.measured")}</dt>
          <dd>{times.long(basis.at)}</dd>
          <dt>{t("reads.value")}</dt>
          <dd className="num">{basis.value === null ? t("value.unknown") : `${spaced(basis.value)} ${unit}`}</dd>
          <dt>{t("reads.rawregisters")}</dt>
          <dd>
            <code className="wrap">{basis.raw ? (basis.raw.match(/.{1,4}/g)?.join(" ") ?? basis.raw) : "–"}</code>
          </dd>
          <dt>{t("reads.batch")}</dt>
          <dd className="wrap">{t("reads.batchname", { gateway: basis.gateway, epoch: basis.epoch, seq: basis.seq, index: basis.index })}</dd>
          <dt>{t("reads.clock")}</dt>
          <dd>{basis.clock === null ? "–" : word("clock", basis.clock)}</dd>
        </dl>
      ))}
    </section>
  );
}

/** From a consumption back to the registers that were on the wire. */
export function BasisDrawer({ row, onClose }: { row: ReadRow; onClose: () => void }) {
  const { t, label, language } = useI18n();
  const name = `${row.meter || row.device} · ${label({ label: row.label, label_zh: row.label_zh ?? "" })}`;
  return (
    <Dialog title={t("reads.basisof", { name })} onClose={onClose} className="drawer">
      <p>{[row.site, row.building, row.device].filter(Boolean).join(" · ")}</p>
      <p className="basis-use">
        <span className="second">{t("reads.formula")}</span>
        <b className="num">
          ({row.end.value === null ? "?" : spaced(row.end.value)} − {row.start.value === null ? "?" : spaced(row.start.value)}) × {row.multiplier} ={" "}
          {row.consumption === null ? t("reads.missingvalue") : `${spaced(row.consumption)} ${row.unit}`}
        </b>
      </p>
      {row.why && (
        <p>
          {t("reads.why")}: {reasonText(language, row.why)}
        </p>
      )}
      <Side name={t("reads.col.start")} boundary={row.start} at={row.from_at} unit={row.unit} site={row.site} />
      <Side name={t("reads.col.end")} boundary={row.end} at={row.to_at} unit={row.unit} site={row.site} />
      <div className="dialog-buttons">
        <button type="button" className="primary" onClick={onClose}>
          {t("dialog.close")}
        </button>
      </div>
    </Dialog>
  );
}
