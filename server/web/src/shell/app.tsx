import { Component, type ReactNode, useEffect } from "react";
import type { Session } from "../api/types";
import { I18nProvider, useI18n } from "../i18n";
import { useSignal } from "../store/signal";
import { closeFeed, openFeed } from "../store/stores";
import { NARROW, useMedia } from "../ui/hooks";
import { Link } from "../ui/link";
import { Dialog, Failure, useErrorText, Words } from "../ui/parts";
import { helpShown } from "../ui/prefs";
import { dismissAll, Problems, report } from "../ui/problems";
import { go, usePath } from "../ui/router";
import { useSoundEngine } from "../ui/sound";
import { theme, toggleTheme } from "../ui/theme";
import { BrokerBanner } from "./broker";
import { FireStrip } from "./firestrip";
import { KeysHelp } from "./help";
import { useShellKeys } from "./keys";
import { FeedBanner, useHealth } from "./link";
import { type PageEntry, pageOf, pagesFor } from "./pages";
import { PasswordPage } from "./password";
import { askSession, session, signOut } from "./session";
import { SignInForm, SignInPage } from "./signin";

function Rail({ page, who }: { page: PageEntry; who: Session }) {
  const { t, toggle } = useI18n();
  const now = useSignal(theme);
  const narrow = useMedia(NARROW);
  const errorText = useErrorText();
  const leave = () => {
    signOut().catch((error: unknown) => report(`${t("shell.stillin")} ${errorText(error)}`));
  };
  return (
    <header className="rail">
      <span className="brand" aria-hidden="true">
        {t("app.name")}
      </span>
      <nav aria-label={t("nav.label")}>
        {pagesFor(who.role).map((one) => (
          <Link key={one.path} to={one.path} current={one === page}>
            {t(narrow ? one.short : one.nav)}
          </Link>
        ))}
      </nav>
      <button type="button" className="rail-menu" popoverTarget="account" aria-label={t("shell.account")}>
        {t("shell.more")}
      </button>
      <div id="account" className="account" popover="auto">
        <p className="who">
          {who.user}
          <span>{t(`role.${who.role}`)}</span>
        </p>
        <button type="button" onClick={toggleTheme}>
          {now === "dark" ? t("shell.theme.light") : t("shell.theme.dark")}
        </button>
        <button type="button" lang={t("shell.language") === "English" ? "en" : "zh-CN"} onClick={toggle}>
          {t("shell.language")}
        </button>
        <button type="button" onClick={leave}>
          {t("shell.signout")}
        </button>
      </div>
    </header>
  );
}

/** The frame of every page; it alone is drawn again each second, to see whether the feed still lives. */
function Frame({ children }: { children: ReactNode }) {
  const { health } = useHealth();
  return <div className={`app${health === "lost" || health === "signed-out" ? " app-lost" : ""}`}>{children}</div>;
}

function SignedIn({ who, expired }: { who: Session; expired: boolean }) {
  const { t } = useI18n();
  const page = pageOf(usePath(), who.role);
  useSoundEngine();
  useShellKeys();
  useEffect(() => {
    if (!expired) openFeed();
  }, [expired, who.user]);
  useEffect(() => {
    const back = (event: PageTransitionEvent) => {
      if (event.persisted) openFeed();
    };
    window.addEventListener("pagehide", closeFeed);
    window.addEventListener("pageshow", back);
    return () => {
      window.removeEventListener("pagehide", closeFeed);
      window.removeEventListener("pageshow", back);
      // Whoever signs in next starts with a clean sheet.
      dismissAll();
      helpShown.set(false);
    };
  }, []);
  useEffect(() => {
    document.title = `${t(page.nav)} · ${t("app.name")}`;
  }, [page, t]);
  return (
    <Frame>
      <a className="skip" href="#page">
        {t("nav.skip")}
      </a>
      <Rail page={page} who={who} />
      <div className="body">
        <FeedBanner />
        <BrokerBanner />
        <FireStrip />
        <Problems />
        <main id="page" tabIndex={-1}>
          <page.View role={who.role} />
        </main>
      </div>
      <KeysHelp lines={page.keys} />
      {expired && (
        <Dialog title={t("signin.title")} onClose={() => undefined}>
          <p>{t("signin.again")}</p>
          <SignInForm />
        </Dialog>
      )}
    </Frame>
  );
}

function Content() {
  const { t } = useI18n();
  const state = useSignal(session);
  const path = usePath();
  useEffect(() => void askSession(), []);
  useEffect(() => {
    if (state.phase === "in" && (path === "/" || path === "/signin")) go("/alarms", true);
  }, [state.phase, path]);
  if (state.phase === "asking") return <Words>{t("link.connecting")}</Words>;
  if (state.phase === "failed") return <Failure title={t("error.start")} error={state.error} onRetry={() => void askSession()} />;
  if (state.phase === "out") return <SignInPage />;
  if (state.session.must_change) return <PasswordPage />;
  return <SignedIn who={state.session} expired={state.expired} />;
}

class Boundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    return this.state.failed ? <Crash /> : this.props.children;
  }
}

/** A page that has crashed hears no alarms, so it must look like it. */
function Crash() {
  const { t } = useI18n();
  return (
    <div className="app-lost crash" role="alert">
      <p>{t("lost.title")}</p>
      <p>{t("error.page")}</p>
      <button type="button" onClick={() => location.reload()}>
        {t("error.reload")}
      </button>
    </div>
  );
}

export function App() {
  return (
    <I18nProvider>
      <Boundary>
        <Content />
      </Boundary>
    </I18nProvider>
  );
}
