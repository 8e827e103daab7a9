import assert from "node:assert/strict";
import { test } from "node:test";
import { type FromHub, Hub, type Port } from "../src/live/hub";

class Tab implements Port {
  heard: FromHub[] = [];
  post = (message: FromHub): void => {
    this.heard.push(message);
  };
  get speaks(): boolean {
    const told = this.heard.filter((message) => message.t === "speaker");
    return told[told.length - 1]?.you ?? false;
  }
  frames(): unknown[] {
    return this.heard.flatMap((message) => (message.t === "frame" ? [message.data] : []));
  }
}

function world() {
  const urls: string[] = [];
  let stream: ReadableStreamDefaultController<Uint8Array> | null = null;
  const hub = new Hub({
    fetch: (url, init) => {
      urls.push(decodeURIComponent(url));
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          stream = controller;
          init.signal?.addEventListener("abort", () => controller.error(new Error("aborted")), { once: true });
        },
      });
      return Promise.resolve(new Response(body));
    },
    now: () => 0,
    random: () => 0.5,
    wait: (_, signal) => new Promise((done) => signal.addEventListener("abort", () => done())),
  });
  return { hub, urls, say: (text: string) => stream?.enqueue(new TextEncoder().encode(text)) };
}

const settle = (): Promise<void> => new Promise((done) => setImmediate(() => setImmediate(done)));

test("two tabs share one stream, and both hear every frame", async () => {
  const { hub, urls, say } = world();
  const [one, two] = [new Tab(), new Tab()];
  hub.receive(one, { t: "hello", topics: [] });
  hub.receive(one, { t: "start", cursor: "e-1" });
  hub.receive(two, { t: "hello", topics: [] });
  hub.receive(two, { t: "start", cursor: "e-4" });
  await settle();
  say('event: alarms\nid: e-2\ndata: [{"id":"a"}]\n\nevent: alarms\ndata: not json\n\n');
  await settle();
  assert.equal(urls.length, 1);
  for (const tab of [one, two]) assert.deepEqual(tab.frames(), [[{ id: "a" }], null]);
  hub.receive(one, { t: "bye" });
  hub.receive(two, { t: "bye" });
});

test("the stream asks for what any tab watches", async () => {
  const { hub, urls } = world();
  const [one, two] = [new Tab(), new Tab()];
  hub.receive(one, { t: "hello", topics: ["values:s/d1"] });
  hub.receive(one, { t: "start", cursor: "e-1" });
  await settle();
  hub.receive(two, { t: "hello", topics: ["values:s/d2"] });
  await settle();
  assert.match(urls[urls.length - 1] ?? "", /topics=alarms,devices,values:s\/d1,values:s\/d2$/);
  hub.receive(two, { t: "bye" });
  await settle();
  assert.match(urls[urls.length - 1] ?? "", /topics=alarms,devices,values:s\/d1$/);
  hub.receive(one, { t: "bye" });
});

test("one tab sounds; when it goes, with or without a word, another one does", () => {
  const { hub } = world();
  const [one, two, three] = [new Tab(), new Tab(), new Tab()];
  for (const tab of [one, two, three]) hub.receive(tab, { t: "hello", topics: [] });
  for (const tab of [two, one, three]) hub.receive(tab, { t: "pong", canSound: true });
  assert.deepEqual([one, two, three].map((tab) => tab.speaks), [false, true, false]);
  hub.receive(two, { t: "bye" });
  assert.deepEqual([one.speaks, three.speaks], [true, false]);
  for (let n = 0; n < 4; n += 1) {
    hub.tick();
    hub.receive(three, { t: "pong", canSound: true });
  }
  assert.equal(three.speaks, true, "the silent tab was dropped");
  hub.receive(three, { t: "pong", canSound: false });
  assert.equal(three.speaks, false);
});

test("a tab that slept past its time is welcomed anew, since it has missed frames, and the stream starts again for it", async () => {
  const { hub, urls, say } = world();
  const [one, two] = [new Tab(), new Tab()];
  for (const tab of [one, two]) hub.receive(tab, { t: "hello", topics: [] });
  hub.receive(one, { t: "start", cursor: "e-1" });
  await settle();
  for (let n = 0; n < 4; n += 1) {
    hub.tick();
    hub.receive(two, { t: "pong", canSound: false });
  }
  say('event: alarms\nid: e-2\ndata: ["missed"]\n\n');
  await settle();
  assert.deepEqual(one.frames(), []);
  const welcomes = () => one.heard.filter((message) => message.t === "welcome").length;
  assert.equal(welcomes(), 1);
  hub.receive(one, { t: "pong", canSound: true });
  assert.equal(welcomes(), 2);
  assert.equal(one.speaks, true);
  hub.receive(one, { t: "bye" });
  hub.receive(two, { t: "bye" });
  await settle();
  hub.receive(one, { t: "start", cursor: "e-9" });
  await settle();
  assert.match(urls[urls.length - 1] ?? "", /since=e-9/);
  hub.receive(one, { t: "bye" });
});
