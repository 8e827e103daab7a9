import { type ReactNode, useState } from "react";
import type { Job } from "../api/types";
import { useI18n } from "../i18n";
import { ageText } from "../i18n/text";
import { useNow } from "../ui/hooks";
import { useErrorText } from "../ui/parts";
import { report } from "../ui/problems";
import { Time, useTimes } from "../ui/times";
import { isOpen, stopJob } from "./jobs";
import { saidText } from "./said";

/** A text that may be the gateway's own words: in Chinese where they are known, else marked as English for a voice. */
export function Said({ children }: { children: string }) {
  const { language } = useI18n();
  const text = saidText(language, children);
  return language === "zh" && text === children && /[A-Za-z]{2}/.test(text) ? <span lang="en">{text}</span> : <>{text}</>;
}

function Progress({ job }: { job: Job }) {
  const { t, language } = useI18n();
  const now = useNow(1000);
  const { done, total, left_s: left, text } = job.progress ?? {};
  const [seen] = useState(() => ({ progress: job.progress, at: now }));
  if (seen.progress !== job.progress) {
    seen.progress = job.progress;
    seen.at = now;
  }
  // Between two words of the gateway the clock goes on.
  const leftMs = typeof left === "number" ? Math.max(0, left * 1000 - (now - seen.at)) : null;
  return (
    <>
      {typeof done === "number" && typeof total === "number" && total > 0 && (
        <progress max={total} value={Math.min(done, total)} aria-label={t("com.progress")}>
          {done}/{total}
        </progress>
      )}
      <span className="second">
        {typeof done === "number" && typeof total === "number" && total > 0 && t("com.doneof", { done, total })}
        {leftMs !== null && ` · ${t("com.left", { time: ageText(language, leftMs) })}`}
      </span>
      {text && (
        <span className="job-text">
          <Said>{text}</Said>
        </span>
      )}
    </>
  );
}

/** A job as it stands, and the way to stop it; whoever started it. */
export function JobBar({ job, children }: { job: Job; children?: ReactNode }) {
  const { t, word } = useI18n();
  const errorText = useErrorText();
  const [busy, setBusy] = useState(false);
  const open = isOpen(job);
  const stop = () => {
    setBusy(true);
    stopJob(job)
      .catch((error: unknown) => report(`${t("com.notstopped")} ${errorText(error)}`))
      .finally(() => setBusy(false));
  };
  return (
    <section className={`job job-${job.state}`} aria-label={t("com.job", { tool: word("com.tool", job.tool) })}>
      <div className="job-head">
        <b role="status">
          {t("com.jobline", { tool: word("com.tool", job.tool), line: job.line ?? "", state: word("com.state", job.state) })}
        </b>
        <span className="second">
          {job.by} · <Time at={job.ended_at ?? job.started_at ?? job.created_at} site={job.site} />
        </span>
        {open && (
          <button type="button" className="stop" disabled={busy || job.state === "stopping"} onClick={stop}>
            {t("com.stop")}
          </button>
        )}
      </div>
      {open && <Progress job={job} />}
      {!open && job.why && (
        <p className={job.state === "stopped" ? "second" : "job-why"}>
          <Said>{job.why}</Said>
        </p>
      )}
      {job.dropped > 0 && <p className="second">{t("com.dropped", { n: job.dropped })}</p>}
      {children}
    </section>
  );
}

/** What was refused when somebody pressed, where they look. */
export function Refused({ title, error }: { title: string; error: unknown }) {
  const errorText = useErrorText();
  return (
    <div role="alert" className="form-problem">
      {error !== null && `${title} ${errorText(error)}`}
    </div>
  );
}

interface PagesProps<T> {
  items: readonly T[];
  size: number;
  /** The page that is shown, counted from 0; kept within what there is. */
  page: number;
  onPage: (page: number) => void;
  children: (items: readonly T[]) => ReactNode;
}

/** A long list by pages: what is not looked at is not drawn. */
export function Pages<T>({ items, size, page, onPage, children }: PagesProps<T>) {
  const { t } = useI18n();
  const last = Math.max(0, Math.ceil(items.length / size) - 1);
  const at = Math.min(page, last);
  const shown = items.slice(at * size, (at + 1) * size);
  return (
    <>
      {children(shown)}
      {last > 0 && (
        <nav className="pager" aria-label={t("com.pages")}>
          <button type="button" disabled={at === 0} onClick={() => onPage(at - 1)}>
            {t("com.page.back")}
          </button>
          <span>{t("com.page.of", { from: at * size + 1, to: at * size + shown.length, n: items.length })}</span>
          <button type="button" disabled={at === last} onClick={() => onPage(at + 1)}>
            {t("com.page.on")}
          </button>
        </nav>
      )}
    </>
  );
}

/** A file of what is on the page; nothing is asked of the server for it. */
export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

interface EarlierProps {
  jobs: readonly Job[];
  shown: Job | null;
  onShow: (id: string | null) => void;
}

/** The runs of a tool on this line that are kept, to look at again. */
export function Earlier({ jobs, shown, onShow }: EarlierProps) {
  const { t, word } = useI18n();
  const times = useTimes(jobs[0]?.site);
  if (jobs.length < 2) return null;
  return (
    <label className="earlier">
      {t("com.runs")}
      <select value={shown?.id ?? ""} onChange={(event) => onShow(event.target.value === jobs[0]?.id ? null : event.target.value)}>
        {jobs.map((job) => (
          <option key={job.id} value={job.id}>
            {`${times.long(job.created_at)} · ${word("com.state", job.state)} · ${job.by}`}
          </option>
        ))}
      </select>
    </label>
  );
}
