import { useEffect, useState, useSyncExternalStore } from "react";
import type { KeyedStore } from "../store/keyed";

/** Renders again when anything in the store has changed. */
export function useStore<T>(store: KeyedStore<T>): number {
  return useSyncExternalStore(store.subscribe, store.snapshot);
}

/** The time in ms, again every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = matchMedia(query);
      media.addEventListener("change", listener);
      return () => media.removeEventListener("change", listener);
    },
    () => matchMedia(query).matches,
  );
}

export const NARROW = "(max-width: 719px)";
export const MEDIUM = "(max-width: 1099px)";

export type Load<T> = { phase: "loading"; data: T | null } | { phase: "ready"; data: T } | { phase: "failed"; data: T | null; error: unknown };

/** Loads once per key. What was there stays while another round of the same `kind` is on its way. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>, kind: string = key): [Load<T>, () => void] {
  const [round, setRound] = useState(0);
  const [state, setState] = useState<{ kind: string; value: Load<T> }>({ kind, value: { phase: "loading", data: null } });
  // `load` is made anew on every render; the key says when it means something else.
  useEffect(() => {
    const control = new AbortController();
    setState((old) => (old.kind === kind && old.value.phase === "ready" ? old : { kind, value: { phase: "loading", data: old.kind === kind ? old.value.data : null } }));
    load(control.signal).then(
      (data) => {
        if (!control.signal.aborted) setState({ kind, value: { phase: "ready", data } });
      },
      (error: unknown) => {
        if (!control.signal.aborted) setState((old) => ({ kind, value: { phase: "failed", data: old.kind === kind ? old.value.data : null, error } }));
      },
    );
    return () => control.abort();
  }, [key, round]);
  const value: Load<T> = state.kind === kind ? state.value : { phase: "loading", data: null };
  return [value, () => setRound((old) => old + 1)];
}
