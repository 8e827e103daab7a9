import { type FormEvent, useState } from "react";
import type { Job } from "../api/types";
import { useI18n } from "../i18n";
import { ageText } from "../i18n/text";
import { Failure, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { AddDialog } from "./add";
import { isOpen, useRows, useStart } from "./jobs";
import { Earlier, JobBar, Pages, Refused, Said } from "./parts";
import { type Found, foundOf, type Match, nothingFound } from "./rows";
import { BAUDS, isSerial, lifeOf, longestScan, PARITIES, SPEECHES, unitsOf } from "./units";
import { atWork, type PartProps, useRuns } from "./view";

const KEEP = 5000;
const A_PAGE = 50;
const RATES = [5, 10, 20, 50, 100];
const TIMEOUTS = [100, 200, 500, 1000, 2000];

interface ChecksProps<T> {
  name: string;
  all: readonly T[];
  chosen: readonly T[];
  onChange: (chosen: T[]) => void;
  say: (one: T) => string;
}

function Checks<T extends string | number>({ name, all, chosen, onChange, say }: ChecksProps<T>) {
  return (
    <fieldset className="checks">
      <legend>{name}</legend>
      {all.map((one) => (
        <label key={one}>
          <input type="checkbox" checked={chosen.includes(one)} onChange={() => onChange(all.filter((other) => (other === one ? !chosen.includes(one) : chosen.includes(other))))} />
          {say(one)}
        </label>
      ))}
    </fieldset>
  );
}

function ScanForm({ place, line, online, busyWith }: PartProps & { busyWith: Job | null }) {
  const { t, language } = useI18n();
  const { start, busy, problem } = useStart(place);
  const [, change] = useSearch();
  const [units, setUnits] = useState("1-32");
  const [bauds, setBauds] = useState<(typeof BAUDS)[number][]>([]);
  const [parities, setParities] = useState<(typeof PARITIES)[number][]>([]);
  const [rate, setRate] = useState(20);
  const [timeout, setTimeout] = useState(200);
  const [protocol, setProtocol] = useState("");
  const speak = (name: string) => {
    setProtocol(name);
    const speech = SPEECHES.find((one) => one.name === name);
    if (!speech) return;
    setUnits(speech.units);
    setTimeout(speech.timeoutMs);
  };
  const serial = isSerial(line.endpoint);
  const list = unitsOf(units);
  const plan = { units: list?.length ?? 0, settings: Math.max(1, bauds.length) * Math.max(1, parities.length), timeoutMs: timeout, perSecond: rate };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!list) return;
    const args: Record<string, unknown> = { units: units.replace(/\s+/g, ""), per_second: rate, timeout_ms: timeout };
    if (serial && bauds.length > 0) args.bauds = bauds;
    if (serial && parities.length > 0) args.parities = parities;
    if (protocol !== "") args.protocol = protocol;
    void start({ tool: "scan", line: line.id, args, forS: lifeOf(plan) }).then((job) => job && change({ job: null }, true));
  };
  return (
    <form className="com-form" onSubmit={submit}>
      <label>
        {t("com.units")}
        <input value={units} maxLength={200} inputMode="text" autoComplete="off" aria-invalid={!list} aria-describedby="units-help" onChange={(event) => setUnits(event.target.value)} />
      </label>
      <p id="units-help" className={list ? "second" : "form-problem"}>
        {list ? t("com.units.count", { n: list.length, time: ageText(language, longestScan(plan) * 1000) }) : t("com.units.wrong")}
      </p>
      <label>
        {t("com.protocol")}
        <select value={protocol} onChange={(event) => speak(event.target.value)}>
          <option value="">{t("com.protocol.own")}</option>
          {SPEECHES.map((one) => (
            <option key={one.name} value={one.name} lang="en">
              {one.shown}
            </option>
          ))}
        </select>
      </label>
      <details className="com-more">
        <summary>{t("com.settings")}</summary>
        {serial ? (
          <>
            <Checks name={t("com.bauds")} all={BAUDS} chosen={bauds} onChange={setBauds} say={String} />
            <Checks name={t("com.parities")} all={PARITIES} chosen={parities} onChange={setParities} say={(one) => t(`com.parity.${one}`)} />
            <p className="second">{t("com.settings.none")}</p>
          </>
        ) : (
          <p className="second">{t("com.settings.tcp")}</p>
        )}
        <label>
          {t("com.rate")}
          <select value={rate} onChange={(event) => setRate(Number(event.target.value))}>
            {RATES.map((one) => (
              <option key={one} value={one}>
                {t("com.persecond", { n: one })}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t("com.timeout")}
          <select value={timeout} onChange={(event) => setTimeout(Number(event.target.value))}>
            {TIMEOUTS.map((one) => (
              <option key={one} value={one}>
                {t("com.ms", { n: one })}
              </option>
            ))}
          </select>
        </label>
      </details>
      <div className="com-go">
        <button type="submit" className="primary" disabled={busy || !online || !list || busyWith !== null}>
          {busy ? t("detail.sending") : t("com.scan.go")}
        </button>
      </div>
      <Refused title={t("com.notstarted")} error={problem} />
    </form>
  );
}

function MatchView({ match }: { match: Match }) {
  const { t } = useI18n();
  return (
    <>
      <b>{match.model || match.profile}</b> <span className="score">{t("com.score", { n: match.score })}</span>
      <code className="wrap under">{match.profile}</code>
      <span className="why wrap">
        <Said>{match.why}</Said>
      </span>
    </>
  );
}

function Matches({ found }: { found: Found }) {
  const { t } = useI18n();
  const [best, ...others] = found.matches;
  return (
    <>
      {best ? <MatchView match={best} /> : <span className="second">{t("com.nomatch")}</span>}
      {others.length > 0 && (
        <details>
          <summary>{t("com.others", { n: others.length })}</summary>
          <ul className="others">
            {others.map((match) => (
              <li key={match.profile}>
                <MatchView match={match} />
              </li>
            ))}
          </ul>
        </details>
      )}
      {found.identity.length > 0 && (
        <span className="why wrap">
          {t("com.identity")} <span lang="en">{found.identity.map(([, value]) => value).join(" · ")}</span>
        </span>
      )}
    </>
  );
}

function FoundRow({ found, onAdd }: { found: Found; onAdd: () => void }) {
  const { t, word } = useI18n();
  const [, change] = useSearch();
  const best = found.matches[0];
  const read = () =>
    change(
      found.configured
        ? { view: "points", device: found.configured, unit: null, profile: null, baud: null, parity: null, job: null }
        : { view: "points", device: null, unit: found.address || String(found.unit), profile: best?.profile ?? null, baud: found.baud === null ? null : String(found.baud), parity: found.parity, job: null },
    );
  return (
    <tr>
      <th scope="row" className="com-unit">
        {found.address || t("com.unit", { n: found.unit })}
      </th>
      <td data-label={t("com.answer")}>
        <div>
          {found.baud !== null && `${found.baud} ${found.parity === null ? "" : word("com.parity", found.parity)} · `}
          {found.rttMs === null ? "–" : t("com.ms", { n: found.rttMs })}
          {found.answer !== "answers" && (
            <span className="why wrap">
              <Said>{found.answer}</Said>
            </span>
          )}
        </div>
      </td>
      <td data-label={t("com.match")}>
        <div>
          <Matches found={found} />
        </div>
      </td>
      <td>
        <div className="com-actions">
          <button type="button" onClick={read}>
            {t("com.read")}
          </button>
          {found.configured ? (
            <span className="second">{t("com.configured", { name: found.configured })}</span>
          ) : (
            <button type="button" onClick={onAdd}>
              {t("com.add")}
            </button>
          )}
        </div>
      </td>
    </tr>
  );
}

/** What else the scan came across: answers that nobody could read, settings that the port would not take. */
function Remarks({ job }: { job: Job }) {
  const { t } = useI18n();
  const { noise, refused, alike } = job.result ?? {};
  return (
    <>
      {typeof alike === "number" && alike > 0 && <p>{t("com.alike", { n: alike })}</p>}
      {typeof noise === "number" && noise > 0 && <p>{t("com.noise", { n: noise })}</p>}
      {Array.isArray(refused) &&
        refused
          .filter((one): one is string => typeof one === "string")
          .slice(0, 12)
          .map((one) => (
            <p key={one} className="wrap">
              {t("com.settingrefused")} <Said>{one}</Said>
            </p>
          ))}
    </>
  );
}

export function ScanPart(props: PartProps) {
  const { place, line, jobs } = props;
  const { t } = useI18n();
  const busyWith = atWork(jobs, line.id);
  const { runs, shown, show } = useRuns(jobs, "scan", line.id);
  const { rows, more, error } = useRows(shown, KEEP);
  const [page, setPage] = useState(0);
  const [adding, setAdding] = useState<Found | null>(null);
  const found = rows.map(foundOf).sort((a, b) => a.unit - b.unit || a.n - b.n);
  return (
    <>
      <div hidden={busyWith?.tool === "scan"}>
        <ScanForm {...props} busyWith={busyWith} />
      </div>
      {shown && (
        <JobBar job={shown}>
          <Remarks job={shown} />
        </JobBar>
      )}
      <Earlier jobs={runs} shown={shown} onShow={show} />
      {!shown && (
        <Words title={t("com.scan.none")}>
          <p>{t("com.scan.help")}</p>
        </Words>
      )}
      {shown && found.length === 0 && error !== null && <Failure title={t("com.norows")} error={error} onRetry={() => show(shown.id)} />}
      {shown && found.length === 0 && error === null && !more && !isOpen(shown) && (
        <Words title={t(`com.scan.${nothingFound(shown)}`)}>
          <p>{t(`com.scan.${nothingFound(shown)}help`)}</p>
        </Words>
      )}
      {found.length > 0 && (
        <>
          <h2>{t("com.foundcount", { n: found.length })}</h2>
          <Pages items={found} size={A_PAGE} page={page} onPage={setPage}>
            {(some) => (
              <table className="table table-cards com-table">
                <thead>
                  <tr>
                    <th scope="col">{t("com.unit.head")}</th>
                    <th scope="col">{t("com.answer")}</th>
                    <th scope="col">{t("com.match")}</th>
                    <th scope="col">{t("com.what")}</th>
                  </tr>
                </thead>
                <tbody>
                  {some.map((one) => (
                    <FoundRow key={one.n} found={one} onAdd={() => setAdding(one)} />
                  ))}
                </tbody>
              </table>
            )}
          </Pages>
        </>
      )}
      {adding && <AddDialog place={place} line={line} found={adding} onClose={() => setAdding(null)} />}
    </>
  );
}
