import { type ReactNode, useRef, useState } from "react";
import { ApiError, call, operationId } from "../api/client";
import type { ConfigProblem, ConfigWhole, Offer, OfferAndText } from "../api/types";
import { useI18n } from "../i18n";
import { useLoad } from "../ui/hooks";
import { Dialog, Failure, ReasonDialog, useErrorText, Words } from "../ui/parts";
import { report } from "../ui/problems";
import { Time } from "../ui/times";
import { configPath } from "./configs";
import { changed, difference, type Piece } from "./diff";
import { isUnderWay, isUntaken } from "./editing";
import type { Place } from "./jobs";
import { Pages, Refused, Said } from "./parts";

const MOST_LINES = 400;
const A_PAGE = 10;

/** The difference of two texts, line by line; signs as well as colours. */
export function Diff({ pieces, name }: { pieces: readonly Piece[]; name: string }) {
  const { t } = useI18n();
  const { more, less } = changed(pieces);
  if (pieces.length === 0) return <p className="second">{t("com.diff.none")}</p>;
  return (
    <section className="diff-box" aria-label={name}>
      <p className="second">{t("com.diff.count", { more, less })}</p>
      <pre className="diff" lang="en">
        {pieces.slice(0, MOST_LINES).map((piece, at) => (
          // Lines have no name but their place.
          <span key={at} className={piece.sign === "+" ? "diff-more" : piece.sign === "-" ? "diff-less" : "second"}>
            {piece.sign} {piece.text}
            {"\n"}
          </span>
        ))}
      </pre>
      {pieces.length > MOST_LINES && <p className="second">{t("com.diff.cut", { n: pieces.length - MOST_LINES })}</p>}
    </section>
  );
}

interface OfferDialogProps {
  place: Place;
  title: string;
  base: string;
  /** A text of one's own, or an earlier offer. */
  what: { yaml: string } | { of: string };
  /** What must have happened before; an error of it stops the offer. */
  first?: () => Promise<unknown>;
  onClose: () => void;
  children?: ReactNode;
}

/** Asks why and for how long it may be on trial, and offers it. */
export function OfferDialog({ place, title, base, what, first, onClose, children }: OfferDialogProps) {
  const { t } = useI18n();
  const [minutes, setMinutes] = useState("5");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const press = useRef(operationId());
  const health = /^\d{1,3}$/.test(minutes) && Number(minutes) >= 1 && Number(minutes) <= 120 ? Number(minutes) : null;
  const send = (reason: string) => {
    if (health === null) return;
    setBusy(true);
    setProblem(null);
    Promise.resolve(first?.())
      .then(() => call("POST", configPath(place, "/offers"), { base, ...what, health_minutes: health, reason, op_id: press.current }))
      .then(onClose, (error: unknown) => {
        // What the server has refused is over; what may have arrived keeps its name.
        if (error instanceof ApiError && error.status !== 0) press.current = operationId();
        setProblem(error);
      })
      .finally(() => setBusy(false));
  };
  return (
    <ReasonDialog title={title} label={t("com.offer.reason")} confirm={t("com.offer.send")} busy={busy} least={3} onConfirm={send} onClose={onClose}>
      {children}
      <p>{t("com.offer.help")}</p>
      <label className="minutes">
        {t("com.offer.minutes")} <input value={minutes} inputMode="numeric" maxLength={3} aria-invalid={health === null} onChange={(event) => setMinutes(event.target.value)} />
      </label>
      <Refused title={t("com.offer.failed")} error={problem} />
    </ReasonDialog>
  );
}

const STEPS = ["sent", "staged", "applied", "confirmed"] as const;

/** How far an offer is, and how it ended. */
export function OfferState({ place, offer, site }: { place: Place; offer: Offer; site: string }) {
  const { t, word } = useI18n();
  const errorText = useErrorText();
  const [busy, setBusy] = useState(false);
  const under = isUnderWay(offer.state);
  const at = offer.state === "pending" ? 0 : STEPS.indexOf(offer.state as (typeof STEPS)[number]);
  const withdraw = () => {
    setBusy(true);
    call("DELETE", configPath(place, `/offers/${encodeURIComponent(offer.id)}`))
      .catch((error: unknown) => report(`${t("com.offer.notwithdrawn")} ${errorText(error)}`))
      .finally(() => setBusy(false));
  };
  return (
    <section className={`job offer-${offer.state}`} aria-label={t("com.offer.newest")}>
      <div className="job-head">
        <b role="status">{word("com.offer", offer.state === "failed" ? "failed.state" : offer.state)}</b>
        <span className="second">
          {offer.by} · <Time at={offer.ended_at ?? offer.created_at} site={site} />
        </span>
        {isUntaken(offer.state) && (
          <button type="button" disabled={busy} onClick={withdraw}>
            {t("com.offer.withdraw")}
          </button>
        )}
      </div>
      {at >= 0 && (
        <ol className="steps" aria-label={t("com.offer.steps")}>
          {STEPS.map((step, place) => (
            <li key={step} className={place <= at ? "step-done" : ""} aria-current={place === at ? "step" : undefined}>
              {word("com.offer", step)}
            </li>
          ))}
        </ol>
      )}
      {under && <p className="second">{isUntaken(offer.state) ? t("com.offer.waiting") : t("com.offer.trial", { n: offer.health_minutes })}</p>}
      <p className="wrap">{offer.reason}</p>
      {offer.why && (
        <p className="job-why wrap">
          <Said>{offer.why}</Said>
        </p>
      )}
    </section>
  );
}

/** What to mend, by line: a press leads there. */
export function ProblemList({ problems, onLine }: { problems: readonly ConfigProblem[]; onLine: (line: number) => void }) {
  const { t } = useI18n();
  if (problems.length === 0) return null;
  return (
    <section className="config-problems" role="alert">
      <h2>{t("com.problems", { n: problems.length })}</h2>
      <ul>
        {problems.slice(0, 100).map((one, at) => (
          <li key={at}>
            {one.line > 0 && (
              <button type="button" className="plain" onClick={() => onLine(one.line)}>
                {t("com.line", { n: one.line })}
              </button>
            )}{" "}
            {one.path && <code className="wrap">{one.path}</code>} <Said>{one.text}</Said>
          </li>
        ))}
      </ul>
    </section>
  );
}

function OneOffer({ place, offer, running, onClose }: { place: Place; offer: Offer; running: string; onClose: () => void }) {
  const { t } = useI18n();
  const [state, again] = useLoad(offer.id, (signal) => call<OfferAndText>("GET", configPath(place, `/offers/${encodeURIComponent(offer.id)}`), undefined, signal));
  return (
    <Dialog title={t("com.offer.of", { who: offer.by })} onClose={onClose} className="dialog-wide">
      <p>{offer.reason}</p>
      {state.phase === "loading" && <Words>{t("com.config.loading")}</Words>}
      {state.phase === "failed" && <Failure title={t("com.config.failed")} error={state.error} onRetry={again} />}
      {state.data && <Diff name={t("com.diff.again")} pieces={difference(running, state.data.yaml)} />}
      <div className="dialog-buttons">
        <button type="button" data-focus onClick={onClose}>
          {t("dialog.close")}
        </button>
      </div>
    </Dialog>
  );
}

/** Every offer with who, when, why and its end; an earlier one is the way back. */
export function History({ place, whole }: { place: Place; whole: ConfigWhole }) {
  const { t, word } = useI18n();
  const [page, setPage] = useState(0);
  const [open, setOpen] = useState<Offer | null>(null);
  const [again, setAgain] = useState<Offer | null>(null);
  const under = whole.offers.some((one) => isUnderWay(one.state));
  if (whole.offers.length === 0) return <p className="second">{t("com.history.none")}</p>;
  return (
    <>
      <Pages items={whole.offers} size={A_PAGE} page={page} onPage={setPage}>
        {(some) => (
          <ul className="offers">
            {some.map((one) => (
              <li key={one.id}>
                <span className="offer-head">
                  <b>{word("com.offer", one.state === "failed" ? "failed.state" : one.state)}</b>
                  <span className="second">
                    {one.by} · <Time at={one.created_at} site={place.site} />
                  </span>
                </span>
                <span className="wrap">{one.reason}</span>
                {one.why && (
                  <span className="why wrap">
                    <Said>{one.why}</Said>
                  </span>
                )}
                <span className="buttons">
                  <button type="button" onClick={() => setOpen(one)}>
                    {t("com.offer.show")}
                  </button>
                  <button type="button" disabled={under || one.active === whole.config.active} onClick={() => setAgain(one)}>
                    {t("com.offer.again")}
                  </button>
                </span>
              </li>
            ))}
          </ul>
        )}
      </Pages>
      {open && <OneOffer place={place} offer={open} running={whole.yaml} onClose={() => setOpen(null)} />}
      {again && (
        <OfferDialog place={place} title={t("com.offer.again.title")} base={whole.config.active} what={{ of: again.id }} onClose={() => setAgain(null)}>
          <p>
            <b>{again.reason}</b> · {again.by} · <Time at={again.created_at} site={place.site} />
          </p>
        </OfferDialog>
      )}
    </>
  );
}
