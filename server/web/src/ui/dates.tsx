/** Fields for days and times. The browser's own would speak the browser's language and order. */

import { type KeyboardEvent, useEffect, useId, useState } from "react";
import { useI18n } from "../i18n";
import { addDaysTo, parseDay, parseMoment } from "./datetext";

interface Props {
  label: string;
  /** As `kind` writes it; empty when there is none yet. */
  value: string;
  kind: "day" | "moment";
  onChange: (value: string) => void;
}

/** Takes what was typed at Enter or when the field is left; the arrows go a day up or down; Escape takes it back. */
export function DateField({ label, value, kind, onChange }: Props) {
  const { t } = useI18n();
  const id = useId();
  const [draft, setDraft] = useState(value);
  const [wrong, setWrong] = useState(false);
  useEffect(() => {
    setDraft(value);
    setWrong(false);
  }, [value]);
  const parse = kind === "day" ? parseDay : parseMoment;
  const take = () => {
    const read = draft.trim() === "" ? value : parse(draft);
    setWrong(read === null);
    if (read === null) return;
    setDraft(read);
    if (read !== value) onChange(read);
  };
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const read = parse(draft) ?? value;
    if (event.key === "Enter") take();
    else if (event.key === "Escape" && (wrong || draft !== value)) {
      setDraft(value);
      setWrong(false);
    } else if (step !== undefined && read !== "") {
      const moved = addDaysTo(read, step);
      if (parse(moved)) onChange(moved);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const example = kind === "day" ? "2026-11-30" : "2026-11-30 08:00";
  return (
    <span className="date-field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className={`date-${kind}`}
        value={draft}
        maxLength={25}
        placeholder={t(kind === "day" ? "date.day" : "date.moment")}
        inputMode="text"
        autoComplete="off"
        spellCheck={false}
        aria-invalid={wrong}
        aria-describedby={wrong ? `${id}-wrong` : undefined}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={take}
        onKeyDown={pressed}
      />
      {wrong && (
        <span id={`${id}-wrong`} role="alert" className="date-wrong">
          {t("date.wrong", { example })}
        </span>
      )}
    </span>
  );
}
