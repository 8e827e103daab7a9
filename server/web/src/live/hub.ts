/** Shares one stream among the tabs of a browser, and chooses the one tab that sounds. */

import { Feed, type FeedState, type Wires } from "./feed";

export type ToHub =
  | { t: "hello"; topics: string[] }
  | { t: "start"; cursor: string }
  | { t: "topics"; topics: string[] }
  | { t: "pong"; canSound: boolean }
  | { t: "bye" };

export type FromHub =
  | { t: "welcome" }
  | { t: "frame"; event: string; data: unknown; backlog: boolean }
  | { t: "state"; state: FeedState }
  | { t: "ping" }
  | { t: "speaker"; you: boolean };

export interface Port {
  post: (message: FromHub) => void;
}

interface Member {
  topics: string[];
  canSound: boolean;
  missed: number;
}

export const PING_MS = 5_000;
/** A tab that has left without a word. One that only slept is welcomed anew at its next word. */
const GONE_AFTER = 3;

type FeedWires = Omit<Wires, "onFrame" | "onState">;

export class Hub {
  #feed: Feed;
  #members = new Map<Port, Member>();
  #speaker: Port | null = null;

  constructor(wires: FeedWires) {
    this.#feed = new Feed({
      ...wires,
      onFrame: (frame, backlog) => {
        const data = parsed(frame.data);
        for (const port of this.#members.keys()) port.post({ t: "frame", event: frame.event, data, backlog });
      },
      onState: (state) => {
        for (const port of this.#members.keys()) port.post({ t: "state", state });
      },
    });
  }

  receive(port: Port, message: ToHub): void {
    if (message.t === "bye") {
      this.#drop(port);
      return;
    }
    const known = this.#members.get(port);
    const member = known ?? { topics: [], canSound: false, missed: 0 };
    this.#members.set(port, member);
    member.missed = 0;
    // A tab that was dropped while it slept has missed frames: it must begin anew.
    if (!known && message.t !== "hello") port.post({ t: "welcome" });
    if (message.t === "hello") {
      member.topics = message.topics;
      port.post({ t: "welcome" });
      this.#tellState(port);
      this.#retopic();
    } else if (message.t === "topics") {
      member.topics = message.topics;
      this.#retopic();
    } else if (message.t === "start") {
      this.#feed.start(message.cursor, this.#topics());
    } else if (message.canSound !== member.canSound) {
      member.canSound = message.canSound;
      this.#elect();
    }
  }

  /** Every PING_MS: asks each tab for a sign of life; a hidden tab's own timers may sleep for a minute. */
  tick(): void {
    for (const [port, member] of [...this.#members]) {
      member.missed += 1;
      if (member.missed > GONE_AFTER) this.#drop(port);
      else {
        port.post({ t: "ping" });
        this.#tellState(port);
      }
    }
  }

  /** Nothing while the feed stands still: how it ended was said when it ended, and a new sign-in begins anew. */
  #tellState(port: Port): void {
    if (this.#feed.started) port.post({ t: "state", state: this.#feed.state });
  }

  #drop(port: Port): void {
    this.#members.delete(port);
    if (this.#members.size === 0) this.#feed.stop();
    else this.#retopic();
    this.#elect();
  }

  #topics(): string[] {
    const all = new Set<string>(["alarms", "devices"]);
    for (const member of this.#members.values()) for (const topic of member.topics) all.add(topic);
    return [...all].sort();
  }

  #retopic(): void {
    if (this.#feed.started) this.#feed.setTopics(this.#topics());
  }

  #elect(): void {
    const fit = this.#speaker !== null && this.#members.get(this.#speaker)?.canSound === true;
    if (fit) return;
    const old = this.#speaker;
    this.#speaker = [...this.#members].find(([, member]) => member.canSound)?.[0] ?? null;
    if (old !== this.#speaker) {
      if (old && this.#members.has(old)) old.post({ t: "speaker", you: false });
      this.#speaker?.post({ t: "speaker", you: true });
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A frame that cannot be read is no frame; the next state or a reset repairs it.
    return null;
  }
}
