/** Joins snapshots and frames into one truth, whichever comes first. Silence counts from the first moment on. */

import type { FromHub } from "../live/hub";

export type Frame = Extract<FromHub, { t: "frame" }>;
export type Loading = { phase: "idle" | "loading" | "ready" } | { phase: "failed"; error: unknown };

export interface SyncWires<S> {
  snapshot: () => Promise<S>;
  /** Takes a snapshot as the whole truth; `again` when an older one was shown before it. */
  replace: (snapshot: S, again: boolean) => void;
  take: (frame: Frame) => void;
  /** Snapshot and frames are one: the stream may begin at this cursor. */
  start: (snapshot: S) => void;
  phase: (loading: Loading) => void;
  /** Calls back after a while, unless the error says that trying again is of no use. */
  retry: (again: () => void, error: unknown) => void;
  now: () => number;
}

export class Sync<S> {
  #wires: SyncWires<S>;
  #round = 0;
  #shown = false;
  #waiting: Frame[] | null = null;
  /** After a snapshot that failed nothing counts until the next one: frames on a false ground would look like life. */
  #deaf = false;
  #heard: number | null = null;

  constructor(wires: SyncWires<S>) {
    this.#wires = wires;
  }

  /** Milliseconds since something that is on the screen was heard; 0 before anything was ever asked for. */
  silentFor(): number {
    return this.#heard === null ? 0 : this.#wires.now() - this.#heard;
  }

  hear(frame: Frame): void {
    if (this.#deaf) return;
    if (this.#waiting === null) this.#take(frame);
    else if (frame.event !== "hb") this.#waiting.push(frame);
  }

  /** Loads a snapshot; frames that come meanwhile wait their turn, so that nothing falls between. */
  async load(): Promise<void> {
    this.#round += 1;
    const mine = this.#round;
    this.#heard ??= this.#wires.now();
    // What came before this question is in its answer.
    this.#waiting = [];
    this.#deaf = false;
    if (!this.#shown) this.#wires.phase({ phase: "loading" });
    try {
      const snapshot = await this.#wires.snapshot();
      if (mine !== this.#round) return;
      this.#wires.replace(snapshot, this.#shown);
      this.#shown = true;
      const frames = this.#waiting;
      this.#waiting = null;
      this.#heard = this.#wires.now();
      this.#wires.phase({ phase: "ready" });
      this.#wires.start(snapshot);
      for (const frame of frames) this.hear(frame);
    } catch (error) {
      if (mine !== this.#round) return;
      this.#waiting = null;
      this.#deaf = true;
      this.#wires.phase({ phase: "failed", error });
      this.#wires.retry(() => {
        if (mine === this.#round) void this.load();
      }, error);
    }
  }

  #take(frame: Frame): void {
    this.#heard = this.#wires.now();
    if (frame.event === "reset") void this.load();
    else this.#wires.take(frame);
  }
}
