import { type ReactNode, type RefObject, useEffect, useId, useRef } from "react";
import { call } from "../api/client";
import type { Alarm, JournalEntry, Role } from "../api/types";
import { useI18n } from "../i18n";
import { causeText, noteText } from "../i18n/cause";
import { may } from "../shell/roles";
import { useLoad } from "../ui/hooks";
import { Link } from "../ui/link";
import { Fact, Failure, Key, Mark, markStyle, Words } from "../ui/parts";
import { Time, useTimes } from "../ui/times";
import { Pictures } from "./pictures";
import { whyNotClosed } from "./select";

interface Props {
  alarm: Alarm;
  role: Role;
  sending: boolean;
  note: RefObject<HTMLTextAreaElement | null>;
  onAck: () => void;
  onClose: () => void;
  onBack: (() => void) | null;
}

function Facts({ alarm }: { alarm: Alarm }) {
  const { t, word, language } = useI18n();
  const times = useTimes(alarm.site);
  return (
    <dl className="facts">
      <Fact name={t("detail.raised")}>
        <Time at={alarm.raised_at} site={alarm.site} />
      </Fact>
      {alarm.occurred_at && alarm.occurred_at !== alarm.raised_at && (
        <Fact name={t("detail.occurred")}>
          <Time at={alarm.occurred_at} site={alarm.site} />
        </Fact>
      )}
      {alarm.cleared_at && (
        <Fact name={t("detail.cleared")}>
          <Time at={alarm.cleared_at} site={alarm.site} />
        </Fact>
      )}
      {alarm.acked_at && (
        <Fact name={t("detail.acked")}>
          {t("detail.by", { time: times.long(alarm.acked_at), name: alarm.acked_by ?? "–" })}
        </Fact>
      )}
      {alarm.closed_at && (
        <Fact name={t("history.closed")}>
          <Time at={alarm.closed_at} site={alarm.site} />
        </Fact>
      )}
      {alarm.count > 1 && <Fact name={t("detail.count")}>{alarm.count}</Fact>}
      <Fact name={t("detail.class")}>{word("class", alarm.class)}</Fact>
      <Fact name={t("detail.gateway")}>{alarm.gateway || "–"}</Fact>
      <Fact name={t("detail.code")}>
        <code>{alarm.code}</code>
      </Fact>
      {alarm.detail && <Fact name={t("detail.text")}>{causeText(language, alarm.detail)}</Fact>}
      {alarm.evidence && (
        <Fact name={t("detail.evidence")}>
          <code className="wrap">{alarm.evidence}</code>
        </Fact>
      )}
    </dl>
  );
}

function Journal({ alarm }: { alarm: Alarm }) {
  const { t, word, language } = useI18n();
  // `q` is in the key: another change of this alarm means another line of the journal.
  const [state, again] = useLoad(`${alarm.id}@${alarm.q}@${alarm.state}`, (signal) =>
    call<{ journal: JournalEntry[] }>("GET", `alarms/${encodeURIComponent(alarm.id)}`, undefined, signal),
  );
  const last = useRef<{ id: string; journal: JournalEntry[] } | null>(null);
  if (state.data) last.current = { id: String(alarm.id), journal: state.data.journal };
  const journal = last.current?.id === String(alarm.id) ? last.current.journal : null;
  return (
    <section aria-label={t("detail.history")}>
      <h3>{t("detail.history")}</h3>
      {state.phase === "failed" && <Failure title={t("detail.journalfailed")} error={state.error} onRetry={again} />}
      {journal && journal.length === 0 && <p className="second">{t("detail.nojournal")}</p>}
      <ol className="journal">
        {(journal ?? []).map((entry) => (
          <li key={entry.seq}>
            <Time at={entry.at} site={alarm.site} className="journal-time" />
            <span>
              {word("act", entry.action)}
              {entry.actor && <b> {entry.actor}</b>}
              {entry.note && <q>{noteText(language, entry.action, entry.note)}</q>}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Buttons({ alarm, role, sending, note, onAck, onClose }: Props) {
  const { t } = useI18n();
  const id = useId();
  if (alarm.state === "closed") return <p className="hint">{t("detail.gone")}</p>;
  if (!may(role, "guard")) return <p className="hint">{t("detail.readonly")}</p>;
  const why = whyNotClosed(alarm);
  return (
    <>
      <div className="buttons">
        {!alarm.acked && (
          <button type="button" className="primary" disabled={sending} onClick={onAck}>
            {sending ? t("detail.sending") : t("detail.ack")} <Key>a</Key>
          </button>
        )}
        <button type="button" disabled={sending || why !== null} aria-describedby={why ? `${id}-why` : undefined} onClick={onClose}>
          {t("detail.close")} <Key>r</Key>
        </button>
      </div>
      {why && (
        <p className="hint" id={`${id}-why`}>
          {t(why)}
        </p>
      )}
      {!alarm.acked && (
        <div className="note">
          <label htmlFor={id}>
            {t("detail.note")} <Key>w</Key>
          </label>
          <textarea id={id} ref={note} rows={2} maxLength={500} placeholder={t("detail.notehint")} />
        </div>
      )}
    </>
  );
}

interface SheetProps {
  alarm: Alarm;
  role?: Role | null;
  title?: RefObject<HTMLHeadingElement | null>;
  children: ReactNode;
}

/** All there is to know of one alarm; what can be done about it are its children. */
export function AlarmSheet({ alarm, role = null, title, children }: SheetProps) {
  const { t, label, place } = useI18n();
  return (
    <>
      <h2 ref={title} tabIndex={-1} id="alarm-detail-title">
        <Mark severity={alarm.severity} style={markStyle(alarm)} />
        <span>{label(alarm)}</span>
      </h2>
      <p className="detail-place">
        {place(alarm) || "–"} <span className="second">{alarm.site}</span>
      </p>
      <p className="detail-state">
        {t(`sev.${alarm.severity}`)} · {t(`state.${alarm.state}`)} · {t(`cond.${alarm.condition}`)}
      </p>
      <p>
        <Link to={`/devices?device=${encodeURIComponent(`${alarm.site}/${alarm.device}`)}`}>{alarm.device_name || alarm.device}</Link>
        {alarm.part && <b className="part"> · {alarm.part}</b>}
      </p>
      {alarm.state !== "closed" && alarm.class === "fire" && <p className="hint">{t("fire.call")}</p>}
      {alarm.latched && alarm.state !== "closed" && <p className="hint">{t("detail.latchedhelp")}</p>}
      {alarm.by_hand && alarm.condition === "active" && alarm.state !== "closed" && <p className="hint">{t("detail.byhandhelp")}</p>}
      {alarm.late && <p className="hint">{t("detail.latehelp")}</p>}
      {alarm.test && <p className="hint">{t("detail.testhelp")}</p>}
      {alarm.suppressed_by && <p className="hint">{t("detail.suppressedby", { name: alarm.gateway })}</p>}
      {children}
      <Pictures alarm={alarm} role={role} />
      <Facts alarm={alarm} />
      <Journal alarm={alarm} />
    </>
  );
}

export function AlarmDetail(props: Props) {
  const { alarm, onBack } = props;
  const { t } = useI18n();
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (onBack) title.current?.focus();
  }, [onBack !== null]);
  return (
    <aside className="detail" aria-label={t("detail.title")}>
      {onBack && (
        <button type="button" className="back" onClick={onBack}>
          ‹ {t("detail.back")}
        </button>
      )}
      <AlarmSheet alarm={alarm} role={props.role} title={title}>
        <Buttons {...props} />
      </AlarmSheet>
    </aside>
  );
}

/** An alarm that is not among the open ones: asked of the server by its number. */
export function PastAlarm({ id }: { id: string }) {
  const { t } = useI18n();
  const path = `alarms/${encodeURIComponent(id)}`;
  const [state, again] = useLoad(path, (signal) => call<{ alarm: Alarm }>("GET", path, undefined, signal));
  if (state.phase === "failed") return <Failure title={t("detail.failed")} error={state.error} onRetry={again} />;
  if (!state.data) return <Words>{t("detail.loading")}</Words>;
  const { alarm } = state.data;
  return (
    <AlarmSheet alarm={alarm}>
      {alarm.state === "closed" ? (
        <p className="hint">{t("detail.gone")}</p>
      ) : (
        <p>
          <Link to={`/alarms?id=${encodeURIComponent(alarm.id)}`}>{t("history.toopen")}</Link>
        </p>
      )}
    </AlarmSheet>
  );
}
