/** A long list of the server, page after page. */

import { useEffect, useRef, useState } from "react";
import { call } from "../api/client";

type Next = string | number | null;

export type Pages<T> = { phase: "loading" | "ready"; rows: T[]; next: Next } | { phase: "failed"; rows: T[]; next: Next; error: unknown };

export interface Paged<T> {
  state: Pages<T>;
  /** How many pages are shown. */
  pages: number;
  more: () => void;
  /** Asks for what failed once more. */
  again: () => void;
  /** Asks for the first page anew; what is shown stays until the answer is there. */
  refresh: () => void;
}

/** The rows of an address; what belongs to another address is never mixed in. */
export function usePaged<T, A extends { next: Next }>(address: string, rowsOf: (answer: A) => T[]): Paged<T> {
  const [state, setState] = useState<Pages<T>>({ phase: "loading", rows: [], next: null });
  const [pages, setPages] = useState(0);
  const running = useRef<AbortController | null>(null);
  const last = useRef<() => void>(() => undefined);
  const load = (before: Next, kept: T[], shown: number, quiet: Pages<T> | null) => {
    running.current?.abort();
    const control = new AbortController();
    running.current = control;
    last.current = () => load(before, kept, shown, null);
    if (quiet === null) setState({ phase: "loading", rows: kept, next: null });
    const more = before === null ? "" : `&before=${encodeURIComponent(String(before))}`;
    call<A>("GET", `${address}${more}`, undefined, control.signal).then(
      (answer) => {
        if (control.signal.aborted) return;
        setPages(shown + 1);
        setState({ phase: "ready", rows: [...kept, ...rowsOf(answer)], next: answer.next });
      },
      (error: unknown) => {
        if (!control.signal.aborted) setState({ phase: "failed", rows: quiet?.rows ?? kept, next: null, error });
      },
    );
  };
  useEffect(() => {
    load(null, [], 0, null);
    return () => running.current?.abort();
  }, [address]);
  return { state, pages, more: () => load(state.next, state.rows, pages, null), again: () => last.current(), refresh: () => load(null, [], 0, state) };
}
