/** Jobs of the tools at a gateway: who opens the page anew, or second, sees the same. */

import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError, call, operationId, query } from "../api/client";
import type { Job, JobAndRows, JobRow } from "../api/types";
import { onceAFrame } from "../store/frame";
import { KeyedStore } from "../store/keyed";
import { useSignal } from "../store/signal";
import { loading, onEvent } from "../store/stores";
import { useStore } from "../ui/hooks";

const NEWEST = 60;
const PAGE = 1000;
const RETRY_MS = 3_000;
export const ASK_AGAIN_MS = 10_000;

export interface Place {
  site: string;
  gateway: string;
}

export const isOpen = (job: Job): boolean => ["pending", "sent", "running", "stopping"].includes(job.state);

const store = new KeyedStore<Job>({ id: (job) => job.id, q: (job) => job.q, gone: () => false }, onceAFrame);
let shown = "";

export type Asked = { phase: "loading" | "ready" } | { phase: "failed"; error: unknown };

const toolsOf = (place: Place): string => `gateways/${encodeURIComponent(place.gateway)}/tools`;

/** The jobs of a gateway, newest first, kept true by the stream. */
export function useJobs(place: Place): { jobs: Job[]; asked: Asked; again: () => void } {
  const key = `${place.site}/${place.gateway}`;
  const [asked, setAsked] = useState<Asked>({ phase: "loading" });
  const [round, setRound] = useState(0);
  const snapshot = useSignal(loading);
  useStore(store);
  useEffect(() => {
    const mine = (job: Job) => `${job.site}/${job.gateway}` === key;
    const control = new AbortController();
    let waiting: Job[] | null = [];
    if (shown !== key) store.replace([]);
    shown = key;
    setAsked((old) => (old.phase === "ready" ? old : { phase: "loading" }));
    const silent = onEvent("tools", (data) => {
      const jobs = (data as Job[]).filter(mine);
      if (waiting) waiting.push(...jobs);
      else store.apply(jobs);
    });
    const ask = () =>
      call<{ jobs: Job[] }>("GET", `${toolsOf(place)}${query({ site: place.site, limit: NEWEST })}`, undefined, control.signal).then(
        ({ jobs }) => {
          if (control.signal.aborted) return;
          store.replace(jobs);
          store.apply(waiting ?? []);
          waiting = null;
          setAsked({ phase: "ready" });
        },
        (error: unknown) => {
          if (!control.signal.aborted) setAsked({ phase: "failed", error });
        },
      );
    void ask();
    return () => {
      control.abort();
      silent();
    };
    // After each snapshot of the feed the stream may have skipped something: ask again.
  }, [key, round, snapshot]);
  const open = asked.phase === "ready" && store.all().some(isOpen);
  useEffect(() => {
    if (!open) return;
    // The last word of a job may have been on its way while the stream turned to this topic.
    const timer = setInterval(() => setRound((old) => old + 1), ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [open]);
  const jobs = store.all().sort((a, b) => (a.created_at === b.created_at ? b.q - a.q : a.created_at < b.created_at ? 1 : -1));
  return { jobs, asked, again: useCallback(() => setRound((old) => old + 1), []) };
}

export interface Rows {
  rows: JobRow[];
  /** Not all that was found is here yet. */
  more: boolean;
  error: unknown;
}

interface Held {
  id: string;
  rows: JobRow[];
  last: number;
}

/** The newest `keep` rows of a job, fetched as they come. */
export function useRows(job: Job | null, keep: number): Rows {
  const [held, setHeld] = useState<Held>({ id: "", rows: [], last: 0 });
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const now = useRef(held);
  const busy = useRef("");
  const id = job?.id ?? "";
  const count = job?.rows ?? 0;
  const wanted = useRef(count);
  wanted.current = count;
  useEffect(() => {
    if (!job || busy.current === id) return;
    if (now.current.id !== id) {
      now.current = { id, rows: [], last: 0 };
      setHeld(now.current);
    }
    if (now.current.last >= count) return;
    busy.current = id;
    const control = new AbortController();
    const path = `gateways/${encodeURIComponent(job.gateway)}/tools/${encodeURIComponent(id)}`;
    const read = async (): Promise<void> => {
      const after = Math.max(now.current.last, wanted.current - keep);
      const { rows, next } = await call<JobAndRows>("GET", `${path}${query({ after, limit: PAGE })}`, undefined, control.signal);
      if (now.current.id !== id) return;
      const last = rows.at(-1)?.n ?? Math.max(after, wanted.current);
      now.current = { id, rows: [...now.current.rows, ...rows].slice(-keep), last };
      setHeld(now.current);
      setError(null);
      if (next !== null || now.current.last < wanted.current) await read();
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    read()
      .catch((problem: unknown) => {
        if (now.current.id !== id) return;
        setError(problem);
        if (!(problem instanceof ApiError && problem.status === 404)) timer = setTimeout(() => setRound((old) => old + 1), RETRY_MS);
      })
      .finally(() => {
        if (busy.current === id) busy.current = "";
      });
    return () => clearTimeout(timer);
    // The newest count is read from `wanted`: a fetch under way goes on to it by itself.
  }, [id, count, round, keep]);
  const mine = held.id === id;
  return { rows: mine ? held.rows : [], more: mine ? held.last < count : count > 0, error: mine ? error : null };
}

export interface Order {
  tool: string;
  line: string | null;
  args: Record<string, unknown>;
  forS: number;
}

/** Starts tools. One press has one name, so that a repeated press after an error starts nothing twice. */
export function useStart(place: Place): { start: (order: Order) => Promise<Job | null>; busy: boolean; problem: unknown; forget: () => void } {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const press = useRef({ what: "", name: "" });
  const start = async ({ tool, line, args, forS }: Order): Promise<Job | null> => {
    const what = JSON.stringify([place, tool, line, args, forS]);
    if (press.current.what !== what) press.current = { what, name: operationId() };
    setBusy(true);
    setProblem(null);
    try {
      const { job } = await call<{ job: Job }>("POST", `${toolsOf(place)}${query({ site: place.site })}`, { tool, line, args, for_s: forS, op_id: press.current.name });
      press.current = { what: "", name: "" };
      store.apply([job]);
      return job;
    } catch (error) {
      // Refused is refused: another press is another wish. Only what may have arrived keeps its name.
      if (error instanceof ApiError && error.status !== 0) press.current = { what: "", name: "" };
      setProblem(error);
      return null;
    } finally {
      setBusy(false);
    }
  };
  return { start, busy, problem, forget: () => setProblem(null) };
}

export async function stopJob(job: Job): Promise<void> {
  const { job: now } = await call<{ job: Job }>("DELETE", `gateways/${encodeURIComponent(job.gateway)}/tools/${encodeURIComponent(job.id)}`);
  store.apply([now]);
}
