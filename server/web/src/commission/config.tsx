import { type Ref, useEffect, useMemo, useRef, useState } from "react";
import { ApiError, call } from "../api/client";
import type { CheckedText, ConfigWhole } from "../api/types";
import { useI18n } from "../i18n";
import { session } from "../shell/session";
import { useSignal } from "../store/signal";
import { NARROW, useLoad, useMedia } from "../ui/hooks";
import { Failure, ReasonDialog, useErrorText, Words } from "../ui/parts";
import { report } from "../ui/problems";
import { Time } from "../ui/times";
import { configPath, keepDraft, useConfig } from "./configs";
import { difference } from "./diff";
import { begun, type Editing, followed, isUnderWay, recalled, remember, standing, storedEdit } from "./editing";
import type { Place } from "./jobs";
import { Diff, History, OfferDialog, OfferState, ProblemList } from "./offers";
import { Refused, Said } from "./parts";
import { doubtsOf, spanOf } from "./yaml";

const MOST = 256 * 1024;
const [LEAST_ROWS, MOST_ROWS] = [10, 28];

interface EditorProps {
  text: string;
  area: Ref<HTMLTextAreaElement>;
  onText: (text: string) => void;
}

/** The text with its line numbers; a telephone has no room for those, but problems lead to their line. */
function Editor({ text, area, onText }: EditorProps) {
  const { t } = useI18n();
  const narrow = useMedia(NARROW);
  const gutter = useRef<HTMLPreElement>(null);
  const count = useMemo(() => text.split("\n").length, [text]);
  const numbers = useMemo(() => Array.from({ length: count }, (_, at) => at + 1).join("\n"), [count]);
  return (
    <div className="editor">
      {!narrow && (
        <pre ref={gutter} className="gutter" aria-hidden="true">
          {numbers}
        </pre>
      )}
      <textarea
        ref={area}
        className="yaml"
        aria-label={t("com.yaml")}
        value={text}
        maxLength={MOST}
        rows={Math.max(LEAST_ROWS, Math.min(MOST_ROWS, count + 2))}
        wrap={narrow ? "soft" : "off"}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        onChange={(event) => onText(event.target.value)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
    </div>
  );
}

/** What the gateway's configuration became since: the text behind the hash is kept by the server, if it ever saw it. */
function Since({ place, base, running }: { place: Place; base: string; running: string }) {
  const { t } = useI18n();
  const path = configPath(place, `/versions/${encodeURIComponent(base)}`);
  const [state] = useLoad(path, (signal) => call<{ yaml: string | null }>("GET", path, undefined, signal));
  const before = state.data?.yaml ?? null;
  if (before === null) return null;
  return (
    <details>
      <summary>{t("com.stale.since")}</summary>
      <Diff name={t("com.stale.since")} pieces={difference(before, running)} />
    </details>
  );
}

interface BannersProps {
  place: Place;
  whole: ConfigWhole;
  mine: Editing;
  onEdit: (next: Editing) => void;
}

/** Where two people, or a person and the box, went different ways: it is told, and merged by hand. */
function Conflicts({ place, whole, mine, onEdit }: BannersProps) {
  const { t } = useI18n();
  const { taken, stale } = standing(mine, whole);
  const draft = whole.config.draft;
  return (
    <>
      {taken && (
        <section className="conflict" role="alert">
          <p>
            <b>{draft ? t("com.taken", { who: draft.by }) : t("com.taken.dropped")}</b> {draft && <Time at={draft.at} site={place.site} />}
          </p>
          <Diff name={t("com.taken.diff")} pieces={difference(begun(whole).text, mine.text)} />
          <div className="buttons">
            <button type="button" onClick={() => onEdit(begun(whole))}>
              {t("com.taken.theirs")}
            </button>
            <button type="button" onClick={() => onEdit({ ...mine, seen: draft?.at ?? "" })}>
              {t("com.taken.mine")}
            </button>
          </div>
        </section>
      )}
      {stale && !taken && (
        <section className="conflict" role="alert">
          <p>
            <b>{t("com.stale")}</b>
          </p>
          <p>{t("com.stale.help")}</p>
          <Since place={place} base={mine.base} running={whole.yaml} />
          <div className="buttons">
            <button type="button" onClick={() => onEdit({ ...mine, base: whole.config.active })}>
              {t("com.stale.merged")}
            </button>
          </div>
        </section>
      )}
    </>
  );
}

function Doubts({ text, onLine }: { text: string; onLine: (line: number) => void }) {
  const { t } = useI18n();
  const doubts = useMemo(() => doubtsOf(text), [text]);
  if (doubts.length === 0) return null;
  return (
    <ul className="doubts">
      {doubts.map((one) => (
        <li key={`${one.line} ${one.kind}`}>
          <button type="button" className="plain" onClick={() => onLine(one.line)}>
            {t("com.line", { n: one.line })}
          </button>{" "}
          {t(`com.doubt.${one.kind}`, { what: one.what })}
        </li>
      ))}
    </ul>
  );
}

interface CheckProps {
  place: Place;
  text: string;
  base: string;
  online: boolean;
  onLine: (line: number) => void;
}

/** Has the gateway say what is wrong with a text; what it said holds for that text only. */
function Check({ place, text, base, online, onLine }: CheckProps) {
  const { t } = useI18n();
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ text: string; found: CheckedText } | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const ask = () => {
    setBusy(true);
    setProblem(null);
    setSaid(null);
    call<CheckedText>("POST", configPath(place, "/check"), { base, yaml: text })
      .then((found) => setSaid({ text, found }))
      .catch(setProblem)
      .finally(() => setBusy(false));
  };
  const found = said?.text === text ? said.found : null;
  return (
    <section className="check" aria-label={t("com.check")}>
      <div className="buttons">
        <button type="button" disabled={busy || !online || text.trim() === ""} onClick={ask}>
          {busy ? t("com.check.busy") : t("com.check")}
        </button>
      </div>
      <Refused title={t("com.check.failed")} error={problem} />
      <div role="status">
        {found?.ok && <p>{t("com.check.ok")}</p>}
        {found && !found.ok && <p>{found.why === "" ? t("com.check.bad", { n: found.problems.length }) : <Said>{found.why}</Said>}</p>}
      </div>
      {found && <ProblemList problems={found.problems} onLine={onLine} />}
    </section>
  );
}

type Asking = "apply" | "drop" | null;

function Draft({ place, whole, online, onAgain }: { place: Place; whole: ConfigWhole; online: boolean; onAgain: () => void }) {
  const { t } = useI18n();
  const errorText = useErrorText();
  const who = useSignal(session);
  const me = who.phase === "in" ? who.session.user : "";
  const where = `${place.site}/${place.gateway}`;
  const [mine, setMine] = useState(() => recalled(me, where, storedEdit()) ?? begun(whole));
  const before = useRef(whole);
  const area = useRef<HTMLTextAreaElement>(null);
  const [asking, setAsking] = useState<Asking>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  useEffect(() => {
    const old = before.current;
    before.current = whole;
    setMine((now) => followed(now, old, whole));
  }, [whole]);
  const { dirty, taken, stale, same } = standing(mine, whole);
  useEffect(() => remember(me, where, dirty ? mine : null), [dirty, mine]);
  const pieces = useMemo(() => difference(whole.yaml, mine.text), [whole.yaml, mine.text]);
  const newest = whole.offers[0];
  const under = newest !== undefined && isUnderWay(newest.state);
  const toLine = (line: number) => {
    const [start, end] = spanOf(mine.text, line);
    const text = area.current;
    if (!text) return;
    text.focus({ preventScroll: true });
    text.setSelectionRange(start, end);
    // A selection does not scroll by itself. Lines that are wrapped make this a good guess, and else it is exact.
    const middle = (text.scrollHeight * (line - 0.5)) / mine.text.split("\n").length;
    text.scrollTop = middle - text.clientHeight / 2;
    text.scrollIntoView({ block: "center" });
  };
  const keep = async (): Promise<void> => {
    if (!dirty) return;
    const now = await keepDraft(place, mine.text, mine.base, mine.seen);
    setMine(begun(now));
    onAgain();
  };
  const save = () => {
    setBusy(true);
    setProblem(null);
    keep()
      .catch((error: unknown) => {
        setProblem(error);
        if (error instanceof ApiError && error.status === 409) onAgain();
      })
      .finally(() => setBusy(false));
  };
  const drop = () => {
    call("DELETE", configPath(place, "/draft"))
      .then(() => {
        setMine({ text: whole.yaml, base: whole.config.active, seen: "" });
        setAsking(null);
        onAgain();
      })
      .catch((error: unknown) => report(`${t("com.notdropped")} ${errorText(error)}`));
  };
  return (
    <>
      <Conflicts place={place} whole={whole} mine={mine} onEdit={setMine} />
      {newest?.state === "refused" && <ProblemList problems={newest.problems} onLine={toLine} />}
      <Editor text={mine.text} area={area} onText={(text) => setMine({ ...mine, text })} />
      <Doubts text={mine.text} onLine={toLine} />
      <Check place={place} text={mine.text} base={mine.base} online={online} onLine={toLine} />
      <p className="second" role="status">
        {dirty ? t("com.draft.unsaved") : same ? t("com.draft.none") : t("com.draft.saved", { who: whole.config.draft?.by ?? "" })}
      </p>
      <h2>{t("com.diff")}</h2>
      <Diff name={t("com.diff")} pieces={pieces} />
      <Refused title={t("com.notkept")} error={problem} />
      <div className="com-go buttons">
        <button type="button" disabled={busy || !dirty || taken} onClick={save}>
          {busy ? t("detail.sending") : t("com.draft.save")}
        </button>
        <button type="button" disabled={taken || (same && whole.draft_yaml === null)} onClick={() => setAsking("drop")}>
          {t("com.draft.drop")}
        </button>
        <button type="button" className="primary" disabled={same || stale || taken || under} onClick={() => setAsking("apply")}>
          {t("com.apply")}
        </button>
      </div>
      {under && <p className="second">{t("com.apply.under")}</p>}
      {asking === "apply" && (
        <OfferDialog place={place} title={t("com.apply.title")} base={mine.base} what={{ yaml: mine.text }} first={keep} onClose={() => setAsking(null)}>
          <Diff name={t("com.diff")} pieces={pieces} />
        </OfferDialog>
      )}
      {asking === "drop" && <DropDialog onDrop={drop} onClose={() => setAsking(null)} />}
    </>
  );
}

function DropDialog({ onDrop, onClose }: { onDrop: () => void; onClose: () => void }) {
  const { t } = useI18n();
  return (
    <ReasonDialog title={t("com.draft.drop")} label="" confirm="" disabled onConfirm={onDrop} onClose={onClose}>
      <p>{t("com.drop.help")}</p>
      <button type="button" onClick={onDrop}>
        {t("com.draft.drop")}
      </button>
    </ReasonDialog>
  );
}

export function ConfigPart({ place, online }: { place: Place; online: boolean }) {
  const { t } = useI18n();
  const [state, again] = useConfig(place);
  const whole = state.data;
  if (state.phase === "failed" && state.error instanceof ApiError && state.error.code === "not_told") {
    return (
      <Words title={t("com.nottold")}>
        <p>{t("com.nottold.help")}</p>
      </Words>
    );
  }
  if (state.phase === "failed" && !whole) return <Failure title={t("com.config.failed")} error={state.error} onRetry={again} />;
  if (!whole) return <Words>{t("com.config.loading")}</Words>;
  const newest = whole.offers[0];
  return (
    <div className="config">
      {state.phase === "failed" && <Failure title={t("com.config.failed")} error={state.error} onRetry={again} />}
      <dl className="facts">
        <dt>{t("com.active")}</dt>
        <dd>
          <code>{whole.config.active.slice(0, 19)}…</code> · {t("com.since")} <Time at={whole.config.at} site={place.site} />
        </dd>
      </dl>
      {!online && <p className="hint">{t("com.config.offline")}</p>}
      {newest && <OfferState place={place} offer={newest} site={place.site} />}
      {whole.yaml === "" && whole.draft_yaml === null ? <p className="hint">{t("com.config.hidden")}</p> : <Draft key={`${place.site}/${place.gateway}`} place={place} whole={whole} online={online} onAgain={again} />}
      <h2>{t("com.history")}</h2>
      <History place={place} whole={whole} />
    </div>
  );
}
