import assert from "node:assert/strict";
import { test } from "node:test";
import { backOff, Feed, type FeedState, WATCHDOG_MS, type Wires } from "../src/live/feed";

/** A server in the test's hand, and a clock that moves only when it is told to. */
class World {
  now = 0;
  frames: [string, string, boolean][] = [];
  states: FeedState[] = [];
  asked: { url: string; cursor: string | undefined }[] = [];
  #waits: { at: number; end: () => void; signal: AbortSignal }[] = [];
  #answers: (() => Response | Error)[] = [];
  stream: ReadableStreamDefaultController<Uint8Array> | null = null;
  #arrived: (() => void)[] = [];

  readonly wires: Wires = {
    fetch: (url, init) => {
      const headers = init.headers as Record<string, string>;
      this.asked.push({ url, cursor: headers["last-event-id"] });
      for (const told of this.#arrived.splice(0)) told();
      const answer = (this.#answers.shift() ?? (() => this.open(init.signal as AbortSignal)))();
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    now: () => this.now,
    random: () => 0.5,
    wait: (ms, signal) =>
      new Promise((end) => {
        this.#waits.push({ at: this.now + ms, end, signal });
        signal.addEventListener("abort", () => end());
      }),
    onFrame: (frame, backlog) => this.frames.push([frame.event, frame.id, backlog]),
    onState: (state) => this.states.push(state),
  };

  open(signal: AbortSignal): Response {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.stream = controller;
        signal.addEventListener("abort", () => {
          try {
            controller.error(new Error("aborted"));
          } catch {
            // It has ended already.
          }
        });
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  next(answer: () => Response | Error): void {
    this.#answers.push(answer);
  }

  say(text: string): Promise<void> {
    this.stream?.enqueue(new TextEncoder().encode(text));
    return settle();
  }

  connected(): Promise<void> {
    return new Promise((told) => this.#arrived.push(told));
  }

  async pass(ms: number): Promise<void> {
    this.now += ms;
    const due = this.#waits.filter((wait) => wait.at <= this.now && !wait.signal.aborted);
    this.#waits = this.#waits.filter((wait) => wait.at > this.now);
    for (const wait of due) wait.end();
    await settle();
  }

  get link(): string {
    return this.states[this.states.length - 1]?.link ?? "";
  }
}

const settle = (): Promise<void> => new Promise((done) => setImmediate(() => setImmediate(done)));

test("the backlog is told apart from what is live, and the cursor goes on from it", async () => {
  const world = new World();
  const feed = new Feed(world.wires);
  feed.start("e-5", ["alarms"]);
  await settle();
  assert.match(world.asked[0]?.url ?? "", /since=e-5&topics=alarms$/);
  await world.say("event: alarms\nid: e-6\ndata: []\n\nevent: live\ndata: {}\n\nevent: alarms\nid: e-7\ndata: []\n\n");
  assert.deepEqual(world.frames, [
    ["alarms", "e-6", true],
    ["live", "e-6", false],
    ["alarms", "e-7", false],
  ]);
  assert.equal(world.link, "live");
  world.stream?.close();
  await settle();
  assert.equal(world.link, "lost");
  await world.pass(backOff(0, 0.5));
  assert.equal(world.asked[1]?.cursor, "e-7");
  feed.stop();
});

test("a half-open connection is found by its silence", async () => {
  const world = new World();
  const feed = new Feed(world.wires);
  feed.start("e-1", []);
  await settle();
  await world.say("event: live\ndata: {}\n\n");
  await world.pass(WATCHDOG_MS - 1);
  assert.equal(world.link, "live");
  await world.say(": still here\n\n");
  await world.pass(WATCHDOG_MS - 1);
  assert.equal(world.link, "live", "a byte feeds the watchdog");
  await world.pass(1);
  assert.equal(world.link, "lost");
  feed.stop();
});

test("signed out is not tried again; a failing server is, more and more slowly", async () => {
  const world = new World();
  const feed = new Feed(world.wires);
  world.next(() => new Error("refused"));
  world.next(() => new Response("", { status: 503 }));
  world.next(() => new Response("", { status: 401 }));
  feed.start("e-1", []);
  await settle();
  await world.pass(10_000);
  await world.pass(10_000);
  assert.equal(world.asked.length, 3);
  assert.equal(world.link, "signed-out");
  await world.pass(60_000);
  assert.equal(world.asked.length, 3);
  assert.equal(feed.started, false);
});

test("bye for the session means signed out, bye for a shutdown means come back", async () => {
  const world = new World();
  const feed = new Feed(world.wires);
  feed.start("e-1", []);
  await settle();
  await world.say('event: bye\ndata: {"why":"session"}\n\n');
  assert.equal(world.link, "signed-out");
});

test("other topics reconnect at once with the cursor", async () => {
  const world = new World();
  const feed = new Feed(world.wires);
  feed.start("e-1", ["alarms"]);
  await settle();
  await world.say("event: live\nid: e-9\ndata: {}\n\n");
  const again = world.connected();
  feed.setTopics(["alarms", "values:s/d"]);
  await again;
  assert.deepEqual(world.asked[1], { url: "/api/v1/stream?since=e-9&topics=alarms%2Cvalues%3As%2Fd", cursor: "e-9" });
  assert.equal(world.states.some((state) => state.link === "lost"), false, "no alarm about a change of topics");
  feed.stop();
});

test("the back-off grows to 1.5 s, then to 10 s, with jitter", () => {
  assert.deepEqual([0, 1, 2, 3, 29, 30].map((tries) => backOff(tries, 0.5)), [250, 500, 1000, 1500, 1500, 10_000]);
  assert.equal(backOff(0, 0), 175);
  assert.equal(backOff(0, 1), 325);
});

test("a sign-out that an old run hears does not end the run that has begun since", async () => {
  const world = new World();
  let answer: (response: Response) => void = () => undefined;
  const fetch = world.wires.fetch;
  let calls = 0;
  const feed = new Feed({ ...world.wires, fetch: (url, init) => ((calls += 1) === 1 ? new Promise((done) => (answer = done)) : fetch(url, init)) });
  feed.start("e-1", ["alarms"]);
  feed.stop();
  feed.start("e-2", ["alarms"]);
  answer(new Response(null, { status: 401 }));
  await settle();
  assert.equal(feed.started, true);
  assert.notEqual(feed.state.link, "signed-out");
  feed.stop();
});
