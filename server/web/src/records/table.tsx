import type { Entry } from "../api/types";
import { useI18n } from "../i18n";
import { causeText } from "../i18n/cause";
import { deviceText } from "../i18n/place";
import { Link } from "../ui/link";
import { Time } from "../ui/times";

function Detail({ one }: { one: Entry }) {
  const { t, language } = useI18n();
  return (
    <div>
      {causeText(language, one.detail) || (one.evidence ? "" : "–")}
      {one.evidence && (
        <details className="evidence">
          <summary>{t("records.evidence")}</summary>
          <code className="wrap">{one.evidence}</code>
        </details>
      )}
    </div>
  );
}

/** Records in a table; `one` says that all are of one device, whose place and name stand above. */
export function RecordTable({ list, one = false }: { list: readonly Entry[]; one?: boolean }) {
  const { t, label, word, place } = useI18n();
  return (
    <table className="table table-cards record-table">
      <thead>
        <tr>
          <th scope="col">{t("records.seen")}</th>
          <th scope="col">{t("records.what")}</th>
          {!one && <th scope="col">{t("alarms.col.place")}</th>}
          <th scope="col">{t(one ? "detail.part" : "records.device")}</th>
          <th scope="col">{t("records.detail")}</th>
          <th scope="col">{t("records.number")}</th>
          <th scope="col">{t("records.at")}</th>
        </tr>
      </thead>
      <tbody>
        {list.map((record) => (
          <tr key={record.id}>
            <td data-label={t("records.seen")} className="record-time">
              <Time at={record.seen_at} site={record.site} />
            </td>
            <td className="record-what">
              <b>{label(record)}</b>{word("class", record.class) !== label(record) && <span className="second"> {word("class", record.class)}</span>}
              {record.late && (
                <span className="tag" title={t("records.latehelp")}>
                  {t("records.late")}
                </span>
              )}
            </td>
            {!one && <td data-label={t("alarms.col.place")}>{place(record, ["building", "floor", "place", "site"])}</td>}
            <td data-label={t(one ? "detail.part" : "records.device")} className={one && !record.part ? "none" : ""}>
              {one ? record.part || "–" : <Link to={`/devices?device=${encodeURIComponent(`${record.site}/${record.device}`)}`}>{deviceText(record)}</Link>}
            </td>
            <td data-label={t("records.detail")} className={record.detail || record.evidence ? "record-detail" : "none"}>
              <Detail one={record} />
            </td>
            <td data-label={t("records.number")} className={record.number ? "" : "none"}>
              {record.number || "–"}
            </td>
            <td data-label={t("records.at")} className={record.at === null ? "none" : "record-time"}>
              <Time at={record.at} site={record.site} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
