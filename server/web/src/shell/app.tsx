import { Component, type ReactNode, useEffect } from "react";
import { AlarmsPage } from "../alarms/page";
import type { Session } from "../api/types";
import { DevicesPage } from "../devices/page";
import { I18nProvider, useI18n } from "../i18n";
import { ReadsPage } from "../reads/page";
import { useSignal } from "../store/signal";
import { closeFeed, openFeed } from "../store/stores";
import { Dialog, Failure, Words } from "../ui/parts";
import { Problems } from "../ui/problems";
import { go, usePath } from "../ui/router";
import { useSoundEngine } from "../ui/sound";
import { theme, toggleTheme } from "../ui/theme";
import { FireStrip } from "./firestrip";
import { FeedBanner, useHealth } from "./link";
import { PasswordPage } from "./password";
import { askSession, session, signOut } from "./session";
import { SignInForm, SignInPage } from "./signin";

const PAGES = { "/alarms": "nav.alarms", "/devices": "nav.devices", "/reads": "nav.reads" } as const;
type Page = keyof typeof PAGES;

const pageOf = (path: string): Page => (Object.keys(PAGES) as Page[]).find((page) => path.startsWith(page)) ?? "/alarms";

function Rail({ page, who }: { page: Page; who: Session }) {
  const { t, toggle } = useI18n();
  const now = useSignal(theme);
  return (
    <header className="rail">
      <span className="brand" aria-hidden="true">
        {t("app.name")}
      </span>
      <nav aria-label={t("nav.label")}>
        {(Object.keys(PAGES) as Page[]).map((name) => (
          <a
            key={name}
            href={name}
            aria-current={name === page ? "page" : undefined}
            onClick={(event) => {
              if (event.ctrlKey || event.metaKey || event.shiftKey) return;
              event.preventDefault();
              go(name);
            }}
          >
            {t(PAGES[name])}
          </a>
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
        <button type="button" onClick={() => void signOut()}>
          {t("shell.signout")}
        </button>
      </div>
    </header>
  );
}

function SignedIn({ who, expired }: { who: Session; expired: boolean }) {
  const { t } = useI18n();
  const page = pageOf(usePath());
  const { health } = useHealth();
  useSoundEngine();
  useEffect(() => {
    if (!expired) openFeed();
  }, [expired]);
  useEffect(() => {
    const back = (event: PageTransitionEvent) => {
      if (event.persisted) openFeed();
    };
    window.addEventListener("pagehide", closeFeed);
    window.addEventListener("pageshow", back);
    return () => {
      window.removeEventListener("pagehide", closeFeed);
      window.removeEventListener("pageshow", back);
    };
  }, []);
  useEffect(() => {
    document.title = `${t(PAGES[page])} · ${t("app.name")}`;
  }, [page, t]);
  const lost = health === "lost" || health === "signed-out";
  return (
    <div className={`app${lost ? " app-lost" : ""}`}>
      <a className="skip" href="#page">
        {t("nav.skip")}
      </a>
      <Rail page={page} who={who} />
      <div className="body">
        <FeedBanner />
        <FireStrip />
        <Problems />
        <main id="page" tabIndex={-1}>
          {page === "/alarms" && <AlarmsPage role={who.role} />}
          {page === "/devices" && <DevicesPage role={who.role} />}
          {page === "/reads" && <ReadsPage />}
        </main>
      </div>
      {expired && (
        <Dialog title={t("signin.title")} onClose={() => undefined}>
          <p>{t("signin.again")}</p>
          <SignInForm />
        </Dialog>
      )}
    </div>
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
