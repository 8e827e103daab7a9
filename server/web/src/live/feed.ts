/** Keeps one stream open: cursor, back-off and watchdog. A frame is only ever lost to be sent again. */

import { SseParser, type StreamEvent } from "./sse";

export type Link = "idle" | "connecting" | "backlog" | "live" | "lost" | "signed-out";

export interface FeedState {
  link: Link;
  /** Wall-clock ms of the last byte heard. */
  heardAt: number | null;
  /** Server time minus ours, ms. */
  skew: number | null;
}

export interface Wires {
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  now: () => number;
  random: () => number;
  /** Waits; ends early when the signal aborts. */
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
  onFrame: (frame: StreamEvent, backlog: boolean) => void;
  onState: (state: FeedState) => void;
}

/** Two heartbeats of 5 s that did not come, and a second of grace. */
export const WATCHDOG_MS = 11_000;
const FAST_TRIES = 30;

export function backOff(tries: number, random: number): number {
  const base = tries < FAST_TRIES ? Math.min(250 * 2 ** tries, 1500) : 10_000;
  return Math.round(base * (0.7 + 0.6 * random));
}

class SignedOut extends Error {}

export class Feed {
  #wires: Wires;
  #cursor: string | null = null;
  #topics: string[] = [];
  #running: AbortController | null = null;
  #turn: AbortController | null = null;
  #state: FeedState = { link: "idle", heardAt: null, skew: null };

  constructor(wires: Wires) {
    this.#wires = wires;
  }

  get state(): FeedState {
    return this.#state;
  }

  get started(): boolean {
    return this.#running !== null;
  }

  start(cursor: string, topics: string[]): void {
    if (this.#running) return;
    this.#cursor = cursor;
    this.#topics = topics;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  /** Other topics need another connection; the cursor makes it a continuation. */
  setTopics(topics: string[]): void {
    if (topics.join() === this.#topics.join()) return;
    this.#topics = topics;
    this.#turn?.abort();
  }

  stop(): void {
    this.#running?.abort();
    this.#turn?.abort();
    this.#running = null;
    this.#set({ link: "idle" });
  }

  #set(change: Partial<FeedState>): void {
    this.#state = { ...this.#state, ...change };
    this.#wires.onState(this.#state);
  }

  async #run(stopped: AbortSignal): Promise<void> {
    let tries = 0;
    while (!stopped.aborted) {
      const turn = new AbortController();
      this.#turn = turn;
      const wanted = this.#topics;
      let heard = false;
      try {
        if (this.#state.link !== "live") this.#set({ link: this.#state.heardAt === null ? "connecting" : "lost" });
        await this.#read(turn, () => (heard = true));
      } catch (error) {
        // Another run may have begun since this one was stopped: what happens here is no longer its business.
        if (error instanceof SignedOut && !stopped.aborted) {
          this.#running = null;
          this.#set({ link: "signed-out" });
          return;
        }
      }
      if (stopped.aborted) return;
      if (wanted !== this.#topics) continue;
      this.#set({ link: "lost" });
      tries = heard ? 0 : tries + 1;
      await this.#wires.wait(backOff(tries, this.#wires.random()), stopped);
    }
  }

  async #read(turn: AbortController, onHeard: () => void): Promise<void> {
    const url = `/api/v1/stream?since=${encodeURIComponent(this.#cursor ?? "")}&topics=${encodeURIComponent(this.#topics.join(","))}`;
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (this.#cursor) headers["last-event-id"] = this.#cursor;
    const watchdog = new Watchdog(this.#wires, turn);
    try {
      const response = await this.#wires.fetch(url, {
        headers,
        signal: turn.signal,
        credentials: "same-origin",
        cache: "no-store",
      });
      if (response.status === 401) throw new SignedOut();
      if (!response.ok || !response.body) throw new Error(`the stream answered ${response.status}`);
      await this.#drain(response.body, watchdog, onHeard);
    } finally {
      watchdog.stop();
      turn.abort();
    }
  }

  async #drain(body: ReadableStream<Uint8Array>, watchdog: Watchdog, onHeard: () => void): Promise<void> {
    const parser = new SseParser();
    const decoder = new TextDecoder();
    const reader = body.getReader();
    let live = false;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      watchdog.feed();
      onHeard();
      this.#state = { ...this.#state, heardAt: this.#wires.now() };
      for (const frame of parser.push(decoder.decode(value, { stream: true }))) {
        if (frame.id) this.#cursor = frame.id;
        if (frame.event === "live") live = true;
        if (frame.event === "hb") this.#heartbeat(frame);
        if (frame.event === "bye" && frame.data.includes("session")) throw new SignedOut();
        this.#wires.onFrame(frame, !live);
      }
      const link: Link = live ? "live" : "backlog";
      if (this.#state.link !== link) this.#set({ link });
    }
  }

  #heartbeat(frame: StreamEvent): void {
    const theirs = Number(frame.data);
    this.#set(Number.isFinite(theirs) ? { skew: theirs - this.#wires.now() } : {});
  }
}

/** Ends a turn that has heard nothing for too long: a half-open connection never says so itself. */
class Watchdog {
  #wires: Wires;
  #turn: AbortController;
  #timer: AbortController | null = null;

  constructor(wires: Wires, turn: AbortController) {
    this.#wires = wires;
    this.#turn = turn;
    this.feed();
  }

  feed(): void {
    this.#timer?.abort();
    const timer = new AbortController();
    this.#timer = timer;
    void this.#wires.wait(WATCHDOG_MS, timer.signal).then(() => {
      if (!timer.signal.aborted) this.#turn.abort();
    });
  }

  stop(): void {
    this.#timer?.abort();
  }
}
