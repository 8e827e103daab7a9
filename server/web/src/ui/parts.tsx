/** Small parts on native elements. */

import { type ReactNode, type Ref, useEffect, useId, useRef, useState } from "react";
import { ApiError } from "../api/client";
import type { Severity } from "../api/types";
import { useI18n } from "../i18n";
import { en } from "../i18n/en";
import type { Key as TextKey } from "../i18n/text";
import { rank, severityOf } from "../store/news";
import { type Lack, lackOf } from "./least";

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

const STATUSES = [401, 403, 404, 409, 413, 422, 429] as const;

/** What went wrong and what to do, in the page's language. The server's own words stand in for a code that is new here. */
export function useErrorText(): (error: unknown) => string {
  const { t, language } = useI18n();
  return (error) => {
    if (!(error instanceof ApiError)) return t("error.500");
    if (error.status === 0) return t("error.unreachable");
    if (error.code === "slow_down" && error.retryS !== null) return t("code.slow_down.for", { s: error.retryS });
    const exact = `code.${error.code}`;
    if (exact in en) return t(exact as TextKey);
    const known = STATUSES.find((status) => status === error.status);
    const general = known ? t(`error.${known}`) : error.status >= 500 ? t("error.500") : t("error.other", { status: error.status });
    const more = language === "en" && error.message ? error.message : [error.code, error.where].filter(Boolean).join(": ");
    return error.status === 401 || !more ? general : `${general} (${more})`;
  };
}

/** Something could not be had: what, why, and the way to try again. */
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

/** A state in words where data would stand: loading, or empty and what to do about it. */
export function Words({ title, children }: { title?: string; children?: ReactNode }) {
  return (
    <div className="state" role="status">
      {title && <p className="state-title">{title}</p>}
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
    // A stray Enter must press nothing that changes anything: the way out has the focus, or what asks for it.
    dialog?.querySelector<HTMLElement>("[data-focus]")?.focus();
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
  /** Characters that the server wants at least. */
  least?: number;
  children?: ReactNode;
}

/** Asks for a reason, with the focus where it is written: a stray Enter there is a new line and confirms nothing. */
export function ReasonDialog({ title, label, confirm, onConfirm, onClose, busy = false, disabled = false, least = 1, children }: ReasonProps) {
  const { t } = useI18n();
  const id = useId();
  const reason = useRef<HTMLTextAreaElement>(null);
  const [lack, setLack] = useState<Lack | null>(null);
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onKeyDown={(event) => {
          if (event.key === "Enter" && event.ctrlKey && !disabled && !busy) event.currentTarget.requestSubmit();
        }}
        onSubmit={(event) => {
          event.preventDefault();
          const text = reason.current?.value.trim() ?? "";
          const missing = lackOf(text, least);
          setLack(missing);
          if (missing) reason.current?.focus();
          else onConfirm(text);
        }}
      >
        {children}
        {!disabled && (
          <>
            <label htmlFor={id}>{label}</label>
            <textarea
              id={id}
              ref={reason}
              data-focus
              rows={3}
              maxLength={500}
              aria-invalid={lack !== null}
              aria-describedby={`${id}-lack`}
              onInput={(event) => lack && setLack(lackOf(event.currentTarget.value, least))}
            />
            <div role="alert" id={`${id}-lack`} className="form-problem">
              {lack && (lack.have ? t("dialog.short", { n: lack.least, have: lack.have }) : t("dialog.required"))}
            </div>
          </>
        )}
        <div className="dialog-buttons">
          <button type="button" data-focus={disabled || undefined} onClick={onClose}>
            {t("dialog.cancel")}
          </button>
          {!disabled && (
            <button type="submit" className="primary" disabled={busy}>
              {busy ? t("detail.sending") : confirm} <Key>Ctrl ↵</Key>
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

interface ChoiceProps {
  name: string;
  /** What stands for no choice. */
  all: string;
  value: string;
  options: readonly [value: string, text: string][];
  onChange: (value: string) => void;
}

/** One of several, or all; a value that is no longer among them stays to be seen. */
export function Choice({ name, all, value, options, onChange }: ChoiceProps) {
  return (
    <select aria-label={name} value={value} onChange={(event) => onChange(event.target.value)} className={value ? "chosen" : ""}>
      <option value="">{all}</option>
      {value && !options.some(([option]) => option === value) && <option value={value}>{value}</option>}
      {options.map(([option, text]) => (
        <option key={option} value={option}>
          {text}
        </option>
      ))}
    </select>
  );
}

/** The values that there are, in order. */
export const distinct = (values: readonly string[]): string[] => [...new Set(values)].filter(Boolean).sort();
