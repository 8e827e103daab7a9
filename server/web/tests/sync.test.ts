import assert from "node:assert/strict";
import { test } from "node:test";
import { type Frame, type Loading, Sync } from "../src/store/sync";

interface Snapshot {
  cursor: string;
}

/** A server in the test's hand: each question is answered, or refused, when the test says so. */
class World {
  now = 0;
  asked: { answer: (cursor: string) => Promise<void>; refuse: (status: number) => Promise<void> }[] = [];
  log: string[] = [];
  phases: string[] = [];
  again: (() => void) | null = null;

  sync = new Sync<Snapshot>({
    snapshot: () =>
      new Promise((done, failed) =>
        this.asked.push({
          answer: (cursor) => (done({ cursor }), settle()),
          refuse: (status) => (failed(new Error(String(status))), settle()),
        }),
      ),
    replace: (snapshot, again) => this.log.push(`${again ? "again" : "first"} ${snapshot.cursor}`),
    take: (frame) => this.log.push(String(frame.data)),
    start: (snapshot) => this.log.push(`start ${snapshot.cursor}`),
    phase: (loading: Loading) => this.phases.push(loading.phase),
    retry: (again) => {
      this.again = again;
    },
    now: () => this.now,
  });

  hear(event: string, data = event): void {
    this.sync.hear({ t: "frame", event, data, backlog: false } satisfies Frame);
  }
}

const settle = (): Promise<void> => new Promise((done) => setImmediate(done));

test("frames that come during a snapshot follow it, and the stream begins at its cursor", async () => {
  const world = new World();
  void world.sync.load();
  world.hear("alarms", "a");
  await world.asked[0]?.answer("e-5");
  world.hear("alarms", "b");
  assert.deepEqual(world.log, ["first e-5", "start e-5", "a", "b"]);
  assert.deepEqual(world.phases, ["loading", "ready"]);
});

test("a reset during a snapshot asks once more, and only the newest answer counts", async () => {
  const world = new World();
  void world.sync.load();
  world.hear("reset");
  world.hear("alarms", "after the reset");
  await world.asked[0]?.answer("e-5");
  assert.equal(world.asked.length, 2);
  void world.sync.load();
  await world.asked[1]?.answer("e-6");
  await world.asked[2]?.answer("f-1");
  // What came before the last question is in its answer.
  assert.deepEqual(world.log, ["first e-5", "start e-5", "again f-1", "start f-1"]);
});

test("a stream that lives on while its snapshot fails is no sign of life", async () => {
  const world = new World();
  void world.sync.load();
  await world.asked[0]?.answer("e-5");
  world.hear("reset");
  await world.asked[1]?.refuse(503);
  for (let second = 0; second < 12; second += 1) {
    world.now += 1_000;
    world.hear("hb");
    world.hear("alarms", "on a false ground");
  }
  assert.equal(world.sync.silentFor(), 12_000);
  assert.equal(world.phases[world.phases.length - 1], "failed");
  assert.ok(!world.log.includes("on a false ground"));
  world.again?.();
  await world.asked[2]?.answer("f-9");
  world.hear("alarms", "c");
  assert.deepEqual(world.log.slice(-3), ["again f-9", "start f-9", "c"]);
  assert.equal(world.sync.silentFor(), 0);
});

test("silence counts before anything was heard at all", async () => {
  const world = new World();
  assert.equal(world.sync.silentFor(), 0);
  void world.sync.load();
  world.now = 20_000;
  world.hear("hb");
  assert.equal(world.sync.silentFor(), 20_000, "a heartbeat shows nothing of what is open");
  await world.asked[0]?.refuse(500);
  void world.sync.load();
  world.now = 30_000;
  await world.asked[1]?.answer("e-1");
  assert.equal(world.sync.silentFor(), 0);
});

test("an old retry does nothing once something newer was asked", async () => {
  const world = new World();
  void world.sync.load();
  await world.asked[0]?.refuse(500);
  const old = world.again;
  void world.sync.load();
  old?.();
  assert.equal(world.asked.length, 2);
});
