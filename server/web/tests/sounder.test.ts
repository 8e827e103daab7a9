import assert from "node:assert/strict";
import { test } from "node:test";
import { FEED_LOST_MS, GAP_MS, type Pattern, REPEAT_MS, Sounder } from "../src/ui/sounder";
import { alarm } from "./make";

function world() {
  const heard: Pattern[] = [];
  const time = { now: 0 };
  const sounder = new Sounder((pattern) => heard.push(pattern), () => time.now);
  return { heard, time, sounder };
}

const critical = alarm({ severity: "critical" });

test("critical and high sound, the others do not", () => {
  const { heard, sounder, time } = world();
  sounder.heard([alarm({ severity: "medium" }), alarm({ severity: "low" })], false);
  assert.deepEqual(heard, []);
  sounder.heard([alarm({ severity: "high" })], false);
  time.now += GAP_MS;
  sounder.heard([alarm({ severity: "high" }), critical], false);
  assert.deepEqual(heard, ["high", "critical"]);
});

test("however many arrive, one pattern in two seconds, and the worst of them is not lost", () => {
  const { heard, sounder, time } = world();
  sounder.heard([alarm()], false);
  for (let n = 0; n < 50; n += 1) sounder.heard([n === 20 ? critical : alarm()], false);
  assert.deepEqual(heard, ["high"]);
  time.now += GAP_MS;
  sounder.tick(true, 0);
  assert.deepEqual(heard, ["high", "critical"]);
});

test("a backlog is one chime", () => {
  const { heard, sounder } = world();
  sounder.heard([critical, critical], true);
  sounder.heard([critical], true);
  assert.deepEqual(heard, ["summary"]);
});

test("it repeats while a critical alarm waits, until acknowledged or silenced", () => {
  const { heard, sounder, time } = world();
  sounder.heard([critical], false);
  for (let s = 0; s < 45; s += 1) {
    time.now += 1000;
    sounder.tick(true, 0);
  }
  assert.deepEqual(heard, ["critical", "critical", "critical"]);
  sounder.silence(60_000);
  for (let s = 0; s < 59; s += 1) {
    time.now += 1000;
    sounder.tick(true, 0);
  }
  assert.equal(heard.length, 3);
  time.now += REPEAT_MS;
  sounder.tick(true, 0);
  assert.equal(heard.length, 4);
  time.now += REPEAT_MS;
  sounder.tick(false, 0);
  assert.equal(heard.length, 4, "acknowledged");
});

test("a feed that is lost for 30 s is heard, even when alarms are silenced", () => {
  const { heard, sounder, time } = world();
  sounder.silence(300_000);
  time.now = 50_000;
  sounder.tick(false, FEED_LOST_MS - 1);
  assert.deepEqual(heard, []);
  sounder.tick(false, FEED_LOST_MS);
  sounder.tick(false, FEED_LOST_MS + 1000);
  assert.deepEqual(heard, ["feed-lost"]);
});
