import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { call } from "../api/client";
import type { Session } from "../api/types";
import { useI18n } from "../i18n";
import { useErrorText } from "../ui/parts";
import { session, signOut } from "./session";

/** A password that was made for somebody opens nothing until it is their own. */
export function PasswordPage() {
  const { t, toggle } = useI18n();
  const errorText = useErrorText();
  const [old, fresh] = [useId(), useId()];
  const first = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => first.current?.focus(), []);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    setBusy(true);
    call<Session>("POST", "session/password", { old: String(data.get("old")), new: String(data.get("new")) }).then(
      (answer) => session.set({ phase: "in", session: answer, expired: false }),
      (error: unknown) => {
        setBusy(false);
        setProblem(errorText(error));
      },
    );
  };
  return (
    <main className="signin">
      <div className="signin-box">
        <h1>{t("password.title")}</h1>
        <p>{t("password.must")}</p>
        <form className="signin-form" onSubmit={submit}>
          <label htmlFor={old}>{t("password.old")}</label>
          <input id={old} ref={first} name="old" type="password" autoComplete="current-password" required maxLength={200} />
          <label htmlFor={fresh}>{t("password.new")}</label>
          <input id={fresh} name="new" type="password" autoComplete="new-password" required minLength={10} maxLength={200} />
          <div role="alert" className="form-problem">
            {problem}
          </div>
          <button type="submit" className="primary" disabled={busy}>
            {busy ? t("detail.sending") : t("password.submit")}
          </button>
        </form>
      </div>
      <div className="signin-foot">
        <button type="button" onClick={() => signOut().catch((error: unknown) => setProblem(errorText(error)))}>
          {t("shell.signout")}
        </button>
        <button type="button" lang={t("shell.language") === "English" ? "en" : "zh-CN"} onClick={toggle}>
          {t("shell.language")}
        </button>
      </div>
    </main>
  );
}
