import { useEffect, useRef, useState } from "react";
import type { Alarm } from "../api/types";
import { useI18n } from "../i18n";
import { deviceText } from "../i18n/place";
import { severityOf } from "../store/news";
import { news } from "../store/stores";

const EVERY_MS = 5_000;

/** Says to a screen reader how many critical alarms are new, at most every five seconds. */
export function Announcer() {
  const { t, label } = useI18n();
  const [fresh, setFresh] = useState<readonly Alarm[]>([]);
  const waiting = useRef<Alarm[]>([]);
  useEffect(() => {
    const told = news.subscribe(() => {
      waiting.current.push(...(news.get()?.fresh ?? []).filter((alarm) => severityOf(alarm.severity) === "critical"));
    });
    const timer = setInterval(() => {
      const told = waiting.current;
      waiting.current = [];
      setFresh((old) => (old.length === 0 && told.length === 0 ? old : told));
    }, EVERY_MS);
    return () => {
      told();
      clearInterval(timer);
    };
  }, []);
  const [one] = fresh;
  return (
    <div className="hidden" aria-live="polite">
      {one === undefined ? "" : fresh.length === 1 ? t("alarms.announce1", { name: label(one), device: deviceText(one) }) : t("alarms.announce", { n: fresh.length })}
    </div>
  );
}
