import { type FormEvent, useState } from "react";
import { API } from "../api/client";
import type { Job } from "../api/types";
import { useI18n } from "../i18n";
import { useSignal } from "../store/signal";
import { session } from "../shell/session";
import { Failure, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { isOpen, useRows, useStart } from "./jobs";
import { Earlier, JobBar, Pages, Refused, Said } from "./parts";
import { type Certified, type Check, certifiedOf, checkOf } from "./rows";
import { atWork, type PartProps, useRuns } from "./view";

const KEEP = 1000;
const A_PAGE = 40;
const CABLES = ["none", "pull", "cut"] as const;
const LIFE_S = 4 * 3600;

function CertifyForm({ place, line, online, busyWith }: PartProps & { busyWith: Job | null }) {
  const { t } = useI18n();
  const [, change] = useSearch();
  const { start, busy, problem } = useStart(place);
  const who = useSignal(session);
  const [engineer, setEngineer] = useState(who.phase === "in" ? who.session.user : "");
  const [cable, setCable] = useState<(typeof CABLES)[number]>("none");
  const [reads, setReads] = useState("100");
  const [note, setNote] = useState("");
  const count = /^\d{1,4}$/.test(reads) && Number(reads) >= 1 && Number(reads) <= 1000 ? Number(reads) : null;
  const fine = engineer.trim() !== "" && count !== null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!fine) return;
    const args = { engineer: engineer.trim(), reads: count, cable, note: note.trim() };
    void start({ tool: "certify", line: line.id, args, forS: LIFE_S }).then((job) => job && change({ job: null }, true));
  };
  return (
    <form className="com-form" onSubmit={submit}>
      <label>
        {t("com.engineer")}
        <input value={engineer} maxLength={80} required autoComplete="name" onChange={(event) => setEngineer(event.target.value)} />
      </label>
      <label>
        {t("com.reads")}
        <input value={reads} inputMode="numeric" maxLength={4} aria-invalid={count === null} onChange={(event) => setReads(event.target.value)} />
      </label>
      <label>
        {t("com.cable")}
        <select value={cable} onChange={(event) => setCable(event.target.value as (typeof CABLES)[number])}>
          {CABLES.map((one) => (
            <option key={one} value={one}>
              {t(`com.cable.${one}`)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t("com.note")}
        <input value={note} maxLength={500} autoComplete="off" onChange={(event) => setNote(event.target.value)} />
      </label>
      <div className="com-go">
        <button type="submit" className="primary" disabled={busy || !online || !fine || busyWith !== null}>
          {busy ? t("detail.sending") : t("com.certify.go")}
        </button>
      </div>
      <Refused title={t("com.notstarted")} error={problem} />
    </form>
  );
}

function Verdict({ pass }: { pass: boolean | null }) {
  const { t } = useI18n();
  return <span className={pass === false ? "verdict verdict-failed" : "verdict"}>{t(pass === null ? "com.look" : pass ? "com.pass" : "com.fail")}</span>;
}

function Checks({ checks }: { checks: readonly Check[] }) {
  const { t, word } = useI18n();
  return (
    <ul className="cert-checks">
      {checks.map((one) => (
        <li key={one.check}>
          <span>{word("com.check", one.check)}</span>
          <Verdict pass={one.pass} />
          <span className="second wrap">
            {one.planned && (
              <>
                {t("com.planned")}
                <Said>{one.planned}</Said>
                {one.found && t("list.between")}
              </>
            )}
            {one.found && (
              <>
                {t("com.found")}
                <Said>{one.found}</Said>
              </>
            )}
            {one.why && (
              <span className="why">
                <Said>{one.why}</Said>
              </span>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}

function DeviceResult({ one }: { one: Certified }) {
  return (
    <li className="cert-device">
      <details open={!one.pass}>
        <summary>
          <b>{one.device}</b> {one.name} <Verdict pass={one.pass} />
        </summary>
        <code className="wrap">{one.profile}</code>
        <Checks checks={one.checks} />
      </details>
    </li>
  );
}

function Whole({ job, devices }: { job: Job; devices: readonly Certified[] }) {
  const { t } = useI18n();
  const result = job.result ?? {};
  const general = [result.clock, result.cable].filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null).map(checkOf);
  const failed = devices.filter((one) => !one.pass).length;
  const file = (form: string) => `${API}/gateways/${encodeURIComponent(job.gateway)}/tools/${encodeURIComponent(job.id)}/certificate?format=${form}`;
  return (
    <>
      {job.state === "done" && (
        <p className="cert-whole" role="status">
          <Verdict pass={result.pass === true} /> {t("com.certified", { n: devices.length, failed })}
        </p>
      )}
      {general.length > 0 && <Checks checks={general} />}
      {job.state === "done" && job.dropped === 0 && (
        <div className="buttons">
          <a className="button" href={file("html")} download>
            {t("com.file.html")}
          </a>
          <a className="button" href={file("json")} download>
            {t("com.file.json")}
          </a>
        </div>
      )}
    </>
  );
}

export function CertifyPart(props: PartProps) {
  const { line, jobs } = props;
  const { t } = useI18n();
  const busyWith = atWork(jobs, line.id);
  const { runs, shown, show } = useRuns(jobs, "certify", line.id);
  const { rows, more, error } = useRows(shown, KEEP);
  const [page, setPage] = useState(0);
  const devices = rows.map(certifiedOf);
  return (
    <>
      <div hidden={busyWith?.tool === "certify"}>
        <CertifyForm {...props} busyWith={busyWith} />
      </div>
      {shown && <JobBar job={shown} />}
      <Earlier jobs={runs} shown={shown} onShow={show} />
      {!shown && (
        <Words title={t("com.certify.none")}>
          <p>{t("com.certify.help")}</p>
        </Words>
      )}
      {shown && rows.length === 0 && error !== null && <Failure title={t("com.norows")} error={error} onRetry={() => show(shown.id)} />}
      {shown && !more && <Whole job={shown} devices={devices} />}
      {shown && devices.length === 0 && !isOpen(shown) && error === null && !more && <Words title={t("com.certify.empty")} />}
      {devices.length > 0 && (
        <Pages items={devices} size={A_PAGE} page={page} onPage={setPage}>
          {(some) => (
            <ul className="cert-list">
              {some.map((one) => (
                <DeviceResult key={one.n} one={one} />
              ))}
            </ul>
          )}
        </Pages>
      )}
    </>
  );
}
