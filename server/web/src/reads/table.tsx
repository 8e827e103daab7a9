import type { Boundary, ReadRow } from "../api/types";
import { useI18n } from "../i18n";
import { spaced } from "./decimal";
import { reasonText } from "./reason";

interface Props {
  rows: ReadRow[];
  keyOf: (row: ReadRow) => string;
  narrow: boolean;
  onBasis: (row: ReadRow) => void;
}

function BoundaryValue({ boundary }: { boundary: Boundary }) {
  const { t } = useI18n();
  if (boundary.value === null) return <span className="trouble">{t("reads.missingvalue")}</span>;
  return (
    <span title={t(`method.${boundary.method}`)}>
      {spaced(boundary.value)}
      {boundary.method === "interpolated" && <sup aria-label={t("method.interpolated")}>~</sup>}
    </span>
  );
}

function Use({ row }: { row: ReadRow }) {
  const { t } = useI18n();
  if (row.consumption === null) return <span className="trouble">{t("reads.missingvalue")}</span>;
  return (
    <>
      {spaced(row.consumption)} <span className="unit">{row.unit}</span>
    </>
  );
}

function State({ row }: { row: ReadRow }) {
  const { t, language } = useI18n();
  const trouble = row.state === "held" || row.state === "missing";
  return (
    <>
      <span className={trouble ? "trouble" : ""}>{t(`rs.${row.state}`)}</span>
      {row.why && <span className="why">{reasonText(language, row.why)}</span>}
    </>
  );
}

function BasisButton({ row, onBasis }: { row: ReadRow; onBasis: Props["onBasis"] }) {
  const { t, label } = useI18n();
  return (
    <button type="button" aria-label={t("reads.basisof", { name: `${row.meter} ${label({ label: row.label, label_zh: row.label_zh ?? "" })}` })} onClick={() => onBasis(row)}>
      {t("reads.basis")}
    </button>
  );
}

function Cards({ rows, keyOf, onBasis }: Props) {
  const { t, label } = useI18n();
  return (
    <ul className="read-cards scroll">
      {rows.map((row) => (
        <li key={keyOf(row)}>
          <h2>
            {row.meter} <span className="second">{label({ label: row.label, label_zh: row.label_zh ?? "" })}</span>
          </h2>
          <p className="second">{[row.site, row.building, row.device, row.reader].filter(Boolean).join(" · ")}</p>
          <dl className="facts">
            <dt>{t("reads.col.start")}</dt>
            <dd className="num">
              <BoundaryValue boundary={row.start} />
            </dd>
            <dt>{t("reads.col.end")}</dt>
            <dd className="num">
              <BoundaryValue boundary={row.end} />
            </dd>
            <dt>{t("reads.col.mult")}</dt>
            <dd className="num">× {row.multiplier}</dd>
            <dt>{t("reads.col.use")}</dt>
            <dd className="num">
              <b>
                <Use row={row} />
              </b>
            </dd>
            <dt>{t("reads.col.state")}</dt>
            <dd>
              <State row={row} /> · {t(`rq.${row.quality}`)}
            </dd>
          </dl>
          <BasisButton row={row} onBasis={onBasis} />
        </li>
      ))}
    </ul>
  );
}

export function ReadsTable(props: Props) {
  const { rows, keyOf, narrow, onBasis } = props;
  const { t, label, place } = useI18n();
  if (narrow) return <Cards {...props} />;
  const columns = ["meter", "place", "register", "reader", "start", "end", "mult", "use", "quality", "state", "basis"] as const;
  const numeric = new Set<string>(["start", "end", "mult", "use"]);
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t("reads.table")}>
      <table className="table reads">
        <caption className="hidden">{t("reads.table")}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" key={column} className={numeric.has(column) ? "num" : ""}>
                {t(`reads.col.${column}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              <th scope="row">
                {row.meter || row.device}
                {row.meter && <span className="under">{row.device}</span>}
              </th>
              <td>
                {place({ ...row, floor: "", place: "" }) || "–"}
                <span className="under">{row.site}</span>
              </td>
              <td className="register">{label({ label: row.label, label_zh: row.label_zh ?? "" })}</td>
              <td>{row.reader || "–"}</td>
              <td className="num">
                <BoundaryValue boundary={row.start} />
              </td>
              <td className="num">
                <BoundaryValue boundary={row.end} />
              </td>
              <td className="num">{row.multiplier}</td>
              <td className="num use">
                <Use row={row} />
              </td>
              <td>{t(`rq.${row.quality}`)}</td>
              <td>
                <State row={row} />
              </td>
              <td>
                <BasisButton row={row} onBasis={onBasis} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
