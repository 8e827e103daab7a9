import { type FormEvent, useState } from "react";
import type { Job } from "../api/types";
import { useI18n } from "../i18n";
import { devices } from "../store/stores";
import { useStore } from "../ui/hooks";
import { Failure, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { shiftTo, typedNumber } from "./display";
import { isOpen, useRows, useStart } from "./jobs";
import { Earlier, JobBar, Pages, Refused, Said } from "./parts";
import { useProfiles } from "./profiles";
import { type Guess, type PointRow, pointOf } from "./rows";
import { isSerial } from "./units";
import { atWork, type PartProps, useRuns } from "./view";

const KEEP = 2000;
const A_PAGE = 40;
const LIFE_S = 300;
const TABLES = ["holding", "input", "coil", "discrete"] as const;
const MODES = ["device", "unit", "registers"] as const;
/** Which byte of the wire stands where in the number: the same letters in every language. */
const ORDERS: Record<string, string> = { big: "AB CD", little: "CD AB", "big-swapped": "BA DC", "little-swapped": "DC BA" };
type Mode = (typeof MODES)[number];

interface Fields {
  unit: string;
  profile: string;
  table: string;
  address: string;
  count: string;
}

/** A meter's own address: longer than any unit id; M-Bus writes number, maker, version and medium with dashes. */
const OWN = /^([0-9A-Za-z]{4,20}|[0-9A-Fa-f]{8}(-[0-9A-Za-z]{2,3}){1,3})$/;

const within = (text: string, low: number, high: number): number | null => (/^\d{1,6}$/.test(text.trim()) && Number(text) >= low && Number(text) <= high ? Number(text) : null);
const addressOf = (text: string): number | null => (/^0x[0-9a-f]{1,4}$/i.test(text.trim()) ? Number.parseInt(text.trim(), 16) : within(text, 0, 65_535));

/** What the tool is told; null while something is missing. */
function argsOf(mode: Mode, device: string, fields: Fields): Record<string, unknown> | null {
  if (mode === "device") return device ? { device } : null;
  const unit = within(fields.unit, 0, 255);
  const own = OWN.test(fields.unit.trim()) ? fields.unit.trim() : "";
  if (mode === "unit" && own !== "") return fields.profile ? { own_address: own, profile: fields.profile } : null;
  if (unit === null) return null;
  if (mode === "unit") return fields.profile ? { unit, profile: fields.profile } : null;
  const [address, count] = [addressOf(fields.address), within(fields.count, 1, 125)];
  return address === null || count === null ? null : { unit, table: fields.table, address, count };
}

interface TargetProps extends PartProps {
  mode: Mode;
  device: string;
  fields: Fields;
  onFields: (fields: Fields) => void;
}

function Target({ place, line, jobs, online, mode, device, fields, onFields }: TargetProps) {
  const { t } = useI18n();
  const [, change] = useSearch();
  useStore(devices);
  const profiles = useProfiles(place, jobs, online && mode === "unit");
  const there = devices.all().filter((one) => one.site === place.site && one.gateway === place.gateway && one.line === line.id);
  const set = (name: keyof Fields) => (event: { target: { value: string } }) => onFields({ ...fields, [name]: event.target.value });
  if (mode === "device") {
    return (
      <label>
        {t("com.device")}
        <select value={device} onChange={(event) => change({ device: event.target.value, job: null }, true)}>
          <option value="">{there.length === 0 ? t("com.device.none") : t("com.device.choose")}</option>
          {there
            .sort((a, b) => (a.unit ?? 0) - (b.unit ?? 0))
            .map((one) => (
              <option key={one.id} value={one.id}>
                {one.id} · {one.name || one.model}
              </option>
            ))}
        </select>
      </label>
    );
  }
  return (
    <>
      <label>
        {t(mode === "unit" ? "com.unit.own" : "com.unit.head")}
        <input value={fields.unit} inputMode="numeric" maxLength={mode === "unit" ? 20 : 3} autoComplete="off" onChange={set("unit")} />
      </label>
      {mode === "unit" ? (
        <label>
          {t("com.field.profile")}
          {profiles.length > 0 ? (
            <select value={fields.profile} onChange={set("profile")}>
              <option value="">{t("com.profile.choose")}</option>
              {fields.profile && !profiles.some((one) => one.profile === fields.profile) && <option>{fields.profile}</option>}
              {profiles.map((one) => (
                <option key={one.profile} value={one.profile}>
                  {one.profile} · {one.model}
                </option>
              ))}
            </select>
          ) : (
            // Until the gateway has told its profiles, and where it cannot: a name can be typed.
            <input value={fields.profile} maxLength={80} autoComplete="off" onChange={set("profile")} />
          )}
        </label>
      ) : (
        <>
          <label>
            {t("com.table")}
            <select value={fields.table} onChange={set("table")}>
              {TABLES.map((one) => (
                <option key={one} value={one}>
                  {t(`com.table.${one}`)}
                </option>
              ))}
            </select>
          </label>
          <label>
            {t("com.address")}
            <input value={fields.address} maxLength={6} autoComplete="off" onChange={set("address")} />
          </label>
          <label>
            {t("com.count")}
            <input value={fields.count} inputMode="numeric" maxLength={3} onChange={set("count")} />
          </label>
        </>
      )}
    </>
  );
}

function ReadForm(props: PartProps & { busyWith: Job | null }) {
  const { place, line, online, busyWith } = props;
  const { t } = useI18n();
  const [search, change] = useSearch();
  const { start, busy, problem } = useStart(place);
  useStore(devices);
  const asked = search.get("by");
  const mode: Mode = MODES.find((one) => one === asked) ?? (search.get("unit") ? "unit" : "device");
  const there = devices.all().filter((one) => one.site === place.site && one.gateway === place.gateway && one.line === line.id);
  const [only] = there.length === 1 ? there : [];
  const device = search.get("device") ?? only?.id ?? "";
  const [fields, setFields] = useState<Fields>({ unit: search.get("unit") ?? "1", profile: search.get("profile") ?? "", table: "holding", address: "0", count: "10" });
  const args = argsOf(mode, device, fields);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!args) return;
    const [baud, parity] = [within(search.get("baud") ?? "", 50, 4_000_000), search.get("parity") ?? ""];
    // What the scan found counts: the device may be heard at other settings than the line's.
    const serial = mode !== "device" && isSerial(line.endpoint) ? { ...(baud === null ? {} : { baud }), ...(/^[NEO]$/.test(parity) ? { parity } : {}) } : {};
    void start({ tool: "read", line: line.id, args: { ...args, ...serial }, forS: LIFE_S }).then((job) => job && change({ job: null }, true));
  };
  return (
    <form className="com-form" onSubmit={submit}>
      <div className="toggle" role="group" aria-label={t("com.readwhat")}>
        {MODES.map((one) => (
          <button key={one} type="button" aria-pressed={mode === one} onClick={() => change({ by: one }, true)}>
            {t(`com.mode.${one}`)}
          </button>
        ))}
      </div>
      <Target {...props} mode={mode} device={device} fields={fields} onFields={setFields} />
      <div className="com-go">
        <button type="submit" className="primary" disabled={busy || !online || !args || busyWith !== null}>
          {busy ? t("detail.sending") : t("com.read.go")}
        </button>
      </div>
      <Refused title={t("com.notstarted")} error={problem} />
    </form>
  );
}

interface Hit extends Guess {
  shift: number;
}

const hitsOf = (row: PointRow, typed: string | null): Hit[] =>
  typed === null
    ? []
    : row.guesses.flatMap((one) => {
        const shift = shiftTo(one.value, typed);
        return shift === null ? [] : [{ ...one, shift }];
      });

function Value({ row }: { row: PointRow }) {
  const { t } = useI18n();
  if (row.value === null) return <span className="second">{t("value.unknown")}</span>;
  if (typeof row.value === "boolean") return <b>{row.value ? t("value.true") : t("value.false")}</b>;
  return (
    <b className="value">
      {row.value} {row.unit}
    </b>
  );
}

/** The same bytes read in each order and type, side by side; what is on the display is marked. */
function Ways({ row, hits }: { row: PointRow; hits: readonly Hit[] }) {
  const { t } = useI18n();
  return (
    <ul className="ways">
      {row.guesses.map((one) => {
        const hit = hits.find((other) => other.order === one.order && other.type === one.type && other.exp === one.exp);
        const configured = one.order === row.order && one.type === row.type;
        return (
          <li key={`${one.type} ${one.order} ${one.exp}`} className={hit ? "way-hit" : ""}>
            <code className="second">
              {one.type} {ORDERS[one.order] ?? one.order}
            </code>
            <span className="wrap">{one.value}</span>
            {configured && <span className="tag">{t("com.profiled")}</span>}
            {hit && <span className="tag tag-hit">{hit.shift === 0 ? t("com.hit") : t("com.hit.shift", { n: hit.shift })}</span>}
          </li>
        );
      })}
    </ul>
  );
}

function PointView({ row, typed }: { row: PointRow; typed: string | null }) {
  const { t, label, word } = useI18n();
  const [open, setOpen] = useState(false);
  const hits = hitsOf(row, typed);
  const name = label(row) || row.point;
  return (
    <tr className={hits.length > 0 ? "point-hit" : ""}>
      <th scope="row">
        {name}
        <code className="wrap under">{row.point}</code>
        <span className="under wrap">
          <code>{[row.where, row.type, row.guesses.length > 1 ? (ORDERS[row.order] ?? row.order) : ""].filter(Boolean).join(" · ")}</code>
        </span>
      </th>
      <td data-label={t("com.raw")}>
        <code className="wrap">{row.raw || "–"}</code>
      </td>
      <td data-label={t("com.value")}>
        <div>
          <Value row={row} />
          {hits.length > 0 && <span className="tag tag-hit">{t("com.hits", { n: hits.length })}</span>}
          {row.trouble && (
            <span className="why wrap">
              <Said>{row.trouble}</Said>
            </span>
          )}
        </div>
      </td>
      <td data-label={t("com.quality")} className={row.quality === "good" ? "second" : "trouble"}>
        <span>
          {word("quality", row.quality)}
          {row.rttMs !== null && ` · ${t("com.ms", { n: row.rttMs })}`}
        </span>
      </td>
      <td className={row.guesses.length > 0 ? "" : "none"}>
        {row.guesses.length > 0 && (
          <details open={open || hits.length > 0} onToggle={(event) => setOpen(event.currentTarget.open)}>
            <summary>{t("com.ways", { n: row.guesses.length })}</summary>
            {(open || hits.length > 0) && <Ways row={row} hits={hits} />}
          </details>
        )}
      </td>
    </tr>
  );
}

export function PointsPart(props: PartProps) {
  const { line, jobs } = props;
  const { t } = useI18n();
  const busyWith = atWork(jobs, line.id);
  const { runs, shown, show } = useRuns(jobs, "read", line.id);
  const { rows, more, error } = useRows(shown, KEEP);
  const [page, setPage] = useState(0);
  const [display, setDisplay] = useState("");
  const [onlyHits, setOnlyHits] = useState(false);
  const typed = typedNumber(display);
  const points = rows.map(pointOf);
  const matching = typed === null ? points : points.filter((row) => hitsOf(row, typed).length > 0);
  // What fits comes first: nobody has to look through two hundred points with a thumb.
  const list = typed === null ? points : onlyHits ? matching : [...matching, ...points.filter((row) => !matching.includes(row))];
  return (
    <>
      <div hidden={busyWith?.tool === "read"}>
        <ReadForm {...props} busyWith={busyWith} />
      </div>
      {shown && <JobBar job={shown} />}
      <Earlier jobs={runs} shown={shown} onShow={show} />
      {!shown && (
        <Words title={t("com.read.none")}>
          <p>{t("com.read.help")}</p>
        </Words>
      )}
      {shown && points.length === 0 && error !== null && <Failure title={t("com.norows")} error={error} onRetry={() => show(shown.id)} />}
      {shown && points.length === 0 && error === null && !more && !isOpen(shown) && <Words title={t("com.read.empty")} />}
      {points.length > 0 && (
        <>
          <div className="display-bar">
            <label>
              {t("com.display")}
              <input value={display} inputMode="decimal" maxLength={24} autoComplete="off" placeholder="1234.5" aria-invalid={display.trim() !== "" && typed === null} onChange={(event) => setDisplay(event.target.value)} />
            </label>
            <span role="status">{typed !== null && (matching.length > 0 ? t("com.display.found", { n: matching.length }) : t("com.display.none"))}</span>
            {typed !== null && matching.length > 0 && (
              <button type="button" aria-pressed={onlyHits} onClick={() => setOnlyHits(!onlyHits)}>
                {t("com.display.only")}
              </button>
            )}
          </div>
          <Pages items={list} size={A_PAGE} page={page} onPage={setPage}>
            {(some) => (
              <table className="table table-cards com-table">
                <thead>
                  <tr>
                    <th scope="col">{t("com.point")}</th>
                    <th scope="col">{t("com.raw")}</th>
                    <th scope="col">{t("com.value")}</th>
                    <th scope="col">{t("com.quality")}</th>
                    <th scope="col">{t("com.ways.head")}</th>
                  </tr>
                </thead>
                <tbody>
                  {some.map((row) => (
                    <PointView key={row.n} row={row} typed={typed} />
                  ))}
                </tbody>
              </table>
            )}
          </Pages>
        </>
      )}
    </>
  );
}
