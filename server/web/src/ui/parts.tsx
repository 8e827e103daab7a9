/** Small parts on native elements. */

import { type ReactNode, type Ref, useEffect, useId, useRef } from "react";
import { ApiError } from "../api/client";
import type { Severity } from "../api/types";
import { useI18n } from "../i18n";
import { fullTime, shortTime } from "../i18n/time";
import { rank, severityOf } from "../store/news";

const SHAPES: Record<Severity, string> = {
  critical: "M3 3H21V21H3Z",
  high: "M12 2.5 22.5 21H1.5Z",
  medium: "M1.5 3H22.5L12 21.5Z",
  low: "M12 1 23 12 12 23 1 12Z",
};
const NUMBER_Y: Record<Severity, number> = { critical: 16.6, high: 18.4, medium: 14, low: 16.4 };

export type MarkStyle = "fill" | "outline" | "dashed";

/** Severity as shape, number and colour; any one of the three is enough. */
export function Mark({ severity, style = "fill", blink = false }: { severity: string; style?: MarkStyle; blink?: boolean }) {
  const known = severityOf(severity);
  return (
    <svg className={`mark mark-${known} mark-${style}${blink ? " mark-blink" : ""}`} viewBox="0 0 24 24" aria-hidden="true">
      {style !== "fill" && <path className="mark-under" d={SHAPES[known]} />}
      <path d={SHAPES[known]} />
      <text x="12" y={NUMBER_Y[known]} textAnchor="middle">
        {rank(known) + 1}
      </text>
    </svg>
  );
}

export function markStyle(alarm: { acked: boolean; state: string }): MarkStyle {
  if (alarm.acked) return "outline";
  return alarm.state === "cleared" ? "dashed" : "fill";
}

export function Time({ at, className }: { at: string | null; className?: string }) {
  const { language } = useI18n();
  if (at === null) return <span className={className}>–</span>;
  return (
    <time className={className} dateTime={at} title={fullTime(at, language)}>
      {shortTime(at)}
    </time>
  );
}

/** What went wrong, in the page's language, and in English what the server adds. */
export function useErrorText(): (error: unknown) => string {
  const { t, language } = useI18n();
  return (error) => {
    if (!(error instanceof ApiError)) return t("error.500");
    const known = [401, 403, 404, 409, 413, 422, 429] as const;
    const found = known.find((status) => status === error.status);
    const general =
      error.status === 0
        ? t("error.unreachable")
        : found
          ? t(`error.${found}`)
          : error.status >= 500
            ? t("error.500")
            : t("error.other", { status: error.status });
    const more = error.status === 0 || error.status === 401 || language === "zh" ? "" : error.message;
    return more ? `${general} ${more}` : general;
  };
}

export function Failure({ title, error, onRetry }: { title: string; error: unknown; onRetry: () => void }) {
  const { t } = useI18n();
  const text = useErrorText();
  return (
    <div className="state" role="alert">
      <p className="state-title">{title}</p>
      <p>{text(error)}</p>
      <button type="button" onClick={onRetry}>
        {t("error.retry")}
      </button>
    </div>
  );
}

export function Words({ children }: { children: ReactNode }) {
  return (
    <div className="state" role="status">
      {children}
    </div>
  );
}

export function Key({ children }: { children: string }) {
  return (
    <kbd className="key" aria-hidden="true">
      {children}
    </kbd>
  );
}

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  className?: string;
}

/** A native modal dialog: focus stays inside, Escape closes, focus goes back. */
export function Dialog({ title, onClose, children, className = "" }: DialogProps) {
  const ref: Ref<HTMLDialogElement> = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      className={`dialog ${className}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ReasonProps {
  title: string;
  label: string;
  confirm: string;
  onConfirm: (reason: string) => void;
  onClose: () => void;
  busy?: boolean;
  disabled?: boolean;
  children?: ReactNode;
}

/** Asks for a reason; the focus is on Cancel, so that a stray Enter does nothing. */
export function ReasonDialog({ title, label, confirm, onConfirm, onClose, busy = false, disabled = false, children }: ReasonProps) {
  const { t } = useI18n();
  const id = useId();
  const cancel = useRef<HTMLButtonElement>(null);
  const reason = useRef<HTMLTextAreaElement>(null);
  useEffect(() => cancel.current?.focus(), []);
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const text = reason.current?.value.trim() ?? "";
          if (text === "") {
            reason.current?.setCustomValidity(t("dialog.required"));
            reason.current?.reportValidity();
          } else onConfirm(text);
        }}
      >
        {children}
        {!disabled && (
          <>
            <label htmlFor={id}>{label}</label>
            <textarea id={id} ref={reason} rows={3} maxLength={500} onInput={(event) => event.currentTarget.setCustomValidity("")} />
          </>
        )}
        <div className="dialog-buttons">
          <button type="button" ref={cancel} onClick={onClose}>
            {t("dialog.cancel")}
          </button>
          {!disabled && (
            <button type="submit" className="primary" disabled={busy}>
              {busy ? t("detail.sending") : confirm}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}
