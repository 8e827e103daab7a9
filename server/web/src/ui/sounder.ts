/** When to sound what: pure but for the clock and the player that are handed in. */

import type { Alarm } from "../api/types";
import { severityOf } from "../store/news";

export type Pattern = "critical" | "high" | "summary" | "feed-lost";

export const GAP_MS = 2_000;
export const REPEAT_MS = 20_000;
export const FEED_LOST_MS = 30_000;

export class Sounder {
  #play: (pattern: Pattern) => void;
  #now: () => number;
  #lastAt = Number.NEGATIVE_INFINITY;
  #silencedUntil = Number.NEGATIVE_INFINITY;
  #waiting: Pattern | null = null;

  constructor(play: (pattern: Pattern) => void, now: () => number) {
    this.#play = play;
    this.#now = now;
  }

  get silencedUntil(): number {
    return this.#silencedUntil;
  }

  silence(ms: number): void {
    this.#silencedUntil = this.#now() + ms;
    this.#waiting = null;
  }

  /** New alarms of a frame; a backlog after a reconnect is one chime however many it holds. */
  heard(fresh: readonly Alarm[], backlog: boolean): void {
    if (fresh.length === 0) return;
    const worst = fresh.map((alarm) => severityOf(alarm.severity));
    if (worst.includes("critical")) this.#want(backlog ? "summary" : "critical");
    else if (worst.includes("high")) this.#want(backlog ? "summary" : "high");
  }

  /** Once a second: repeats while a critical alarm waits, and breaks the silence of a lost feed. */
  tick(criticalWaits: boolean, silentForMs: number): void {
    const now = this.#now();
    // A silenced alarm is a choice; a lost feed is not an alarm that anyone has seen.
    if (silentForMs >= FEED_LOST_MS) {
      if (now - this.#lastAt >= REPEAT_MS) this.#sound("feed-lost");
      return;
    }
    if (this.#waiting) this.#want(this.#waiting);
    else if (criticalWaits && now - this.#lastAt >= REPEAT_MS && now >= this.#silencedUntil) this.#sound("critical");
  }

  #want(pattern: Pattern): void {
    const now = this.#now();
    if (now < this.#silencedUntil) return;
    if (now - this.#lastAt >= GAP_MS) this.#sound(pattern);
    else if (this.#waiting !== "critical") this.#waiting = pattern;
  }

  #sound(pattern: Pattern): void {
    this.#waiting = null;
    this.#lastAt = this.#now();
    this.#play(pattern);
  }
}
