/** Server-sent events from pieces of text, as the HTML standard reads them. */

export interface StreamEvent {
  event: string;
  data: string;
  id: string;
}

const MAX_LINE = 16 * 1024 * 1024;

export class StreamTooLong extends Error {}

export class SseParser {
  retryMs: number | null = null;
  #rest = "";
  #data: string[] = [];
  #event = "";
  #id = "";
  #size = 0;

  /** Takes any piece of the stream and returns the events that it completes. */
  push(piece: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    const text = this.#rest + piece;
    let start = 0;
    for (;;) {
      const [end, next] = lineEnd(text, start);
      if (end < 0) break;
      this.#line(text.slice(start, end), events);
      start = next;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length + this.#size > MAX_LINE) throw new StreamTooLong("an event of the stream is too long");
    return events;
  }

  #line(line: string, events: StreamEvent[]): void {
    if (line === "") {
      this.#dispatch(events);
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") {
      this.#data.push(value);
      this.#size += value.length;
    } else if (field === "event") this.#event = value;
    else if (field === "id") {
      if (!value.includes("\0")) this.#id = value;
    } else if (field === "retry" && /^\d{1,9}$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(events: StreamEvent[]): void {
    if (this.#data.length > 0) {
      events.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.#id });
    }
    this.#data = [];
    this.#event = "";
    this.#size = 0;
  }
}

/** Where the line that starts at `start` ends and the next begins; a CR at the very end waits for its LF. */
function lineEnd(text: string, start: number): [end: number, next: number] {
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 10) return [at, at + 1];
    if (code === 13) {
      if (at + 1 === text.length) return [-1, -1];
      return [at, text.charCodeAt(at + 1) === 10 ? at + 2 : at + 1];
    }
  }
  return [-1, -1];
}
