import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { ApiError } from "../api/client";
import { useI18n } from "../i18n";
import { useErrorText } from "../ui/parts";
import { testSound } from "../ui/sound";
import { toggleTheme } from "../ui/theme";
import { signIn } from "./session";

/** The form alone: on its own page, or over a page whose session has ended. */
export function SignInForm() {
  const { t } = useI18n();
  const errorText = useErrorText();
  const [user, password] = [useId(), useId()];
  const first = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [tested, setTested] = useState(false);
  useEffect(() => first.current?.focus(), []);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    setBusy(true);
    signIn(String(data.get("username")), String(data.get("password"))).catch((error: unknown) => {
      setBusy(false);
      setProblem(error instanceof ApiError && error.status === 401 ? t("signin.wrong") : errorText(error));
    });
  };

  return (
    <form className="signin-form" onSubmit={submit}>
      <label htmlFor={user}>{t("signin.user")}</label>
      <input id={user} ref={first} name="username" autoComplete="username" required maxLength={64} autoCapitalize="none" spellCheck={false} />
      <label htmlFor={password}>{t("signin.password")}</label>
      <input id={password} name="password" type="password" autoComplete="current-password" required maxLength={200} />
      <div role="alert" className="form-problem">
        {problem}
      </div>
      <button type="submit" className="primary" disabled={busy}>
        {busy ? t("signin.sending") : t("signin.submit")}
      </button>
      <div className="signin-sound">
        <p>{t("signin.sound")}</p>
        <button
          type="button"
          onClick={() => {
            setTested(true);
            void testSound();
          }}
        >
          {t("signin.test")}
        </button>
        <p role="status">{tested ? t("signin.tested") : ""}</p>
      </div>
    </form>
  );
}

export function SignInPage() {
  const { t, toggle } = useI18n();
  return (
    <main className="signin">
      <div className="signin-box">
        <h1>
          <img src="/favicon.svg" alt="" width="28" height="28" /> {t("app.name")}
        </h1>
        <h2>{t("signin.title")}</h2>
        <SignInForm />
      </div>
      <div className="signin-foot">
        <button type="button" onClick={toggleTheme}>
          {t("shell.theme")}
        </button>
        <button type="button" lang={t("shell.language") === "English" ? "en" : "zh-CN"} onClick={toggle}>
          {t("shell.language")}
        </button>
      </div>
    </main>
  );
}
