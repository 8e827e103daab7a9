/** Rows never move under the hand: a held list keeps its order, and says how many came since. */

import { useEffect, useRef, useState } from "react";
import type { Alarm } from "../api/types";
import { severityOf } from "../store/news";
import { alarms } from "../store/stores";

export interface HeldList {
  list: Alarm[];
  waiting: number;
  waitingCritical: number;
}

interface Frozen {
  key: string;
  ids: string[];
  seen: Map<string, Alarm>;
}

export function useHeldList(live: Alarm[], key: string, held: boolean): HeldList {
  const frozen = useRef<Frozen | null>(null);
  if (!held || frozen.current?.key !== key) {
    frozen.current = { key, ids: live.map((alarm) => String(alarm.id)), seen: new Map(live.map((alarm) => [String(alarm.id), alarm])) };
    if (!held) return { list: live, waiting: 0, waitingCritical: 0 };
  }
  const { ids, seen } = frozen.current;
  const list = ids.map((id) => {
    const now = alarms.get(id);
    if (now) seen.set(id, now);
    const last = seen.get(id) as Alarm;
    if (now) return now;
    const closed: Alarm = last.state === "closed" ? last : { ...last, state: "closed", acked: true };
    seen.set(id, closed);
    return closed;
  });
  const fresh = live.filter((alarm) => !seen.has(String(alarm.id)));
  return {
    list,
    waiting: fresh.length,
    waitingCritical: fresh.filter((alarm) => severityOf(alarm.severity) === "critical").length,
  };
}

const STILL_MS = 1_500;

/** True while the pointer has just moved over the list: a row must not slip away before the click. */
export function usePointerRest(): { busy: boolean; onPointerMove: () => void; onPointerLeave: () => void } {
  const [busy, setBusy] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return {
    busy,
    onPointerMove: () => {
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setBusy(false), STILL_MS);
      setBusy(true);
    },
    onPointerLeave: () => {
      clearTimeout(timer.current);
      setBusy(false);
    },
  };
}
