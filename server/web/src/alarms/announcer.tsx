import { useEffect, useRef, useState } from "react";
import { useI18n } from "../i18n";
import { severityOf } from "../store/news";
import { news } from "../store/stores";

const EVERY_MS = 5_000;

/** Says to a screen reader how many critical alarms are new, at most every five seconds. */
export function Announcer() {
  const { t } = useI18n();
  const [count, setCount] = useState(0);
  const waiting = useRef(0);
  useEffect(() => {
    const told = news.subscribe(() => {
      waiting.current += (news.get()?.fresh ?? []).filter((alarm) => severityOf(alarm.severity) === "critical").length;
    });
    const timer = setInterval(() => {
      setCount(waiting.current);
      waiting.current = 0;
    }, EVERY_MS);
    return () => {
      told();
      clearInterval(timer);
    };
  }, []);
  return (
    <div className="hidden" aria-live="polite">
      {count === 0 ? "" : count === 1 ? t("alarms.announce1") : t("alarms.announce", { n: count })}
    </div>
  );
}
