import assert from "node:assert/strict";
import { test } from "node:test";
import type { Alarm } from "../src/api/types";
import { KeyedStore } from "../src/store/keyed";
import { newsOf } from "../src/store/news";
import { alarm, random } from "./make";

const store = () => new KeyedStore<Alarm>({ id: (one) => one.id, q: (one) => one.q, gone: (one) => one.state === "closed" });

test("an older or doubled object changes nothing", () => {
  const held = store();
  assert.deepEqual(held.apply([alarm({ q: 5, count: 2 })]).map((one) => one.outcome), ["new"]);
  assert.deepEqual(held.apply([alarm({ q: 5, count: 9 }), alarm({ q: 4, count: 9 })]).map((one) => one.outcome), ["old", "old"]);
  assert.equal(held.get("1")?.count, 2);
  const version = held.version;
  held.apply([alarm({ q: 3 })]);
  assert.equal(held.version, version, "nobody is told of nothing");
});

test("what is closed stays closed when an older frame comes again, and opens when a newer one does", () => {
  const held = store();
  held.apply([alarm({ q: 5 }), alarm({ q: 7, state: "closed" })]);
  assert.deepEqual(held.apply([alarm({ q: 6 })]).map((one) => one.outcome), ["old"]);
  assert.equal(held.size, 0);
  held.apply([alarm({ q: 8 })]);
  assert.equal(held.size, 1);
});

test("any order, doubling and splitting of frames ends with the same list", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const next = random(seed);
    const changes: Alarm[] = [];
    for (let q = 1; q <= 40; q += 1) {
      changes.push(alarm({ id: String(Math.floor(next() * 8)), q, state: next() < 0.3 ? "closed" : "new", count: q }));
    }
    const truth = new Map<string, Alarm>();
    for (const change of changes) truth.set(change.id, change);
    const held = store();
    const mixed = [...changes, ...changes.filter(() => next() < 0.5)].map((change) => ({ change, at: next() })).sort((a, b) => a.at - b.at);
    for (const { change } of mixed) held.apply([change]);
    const wanted = [...truth.values()].filter((one) => one.state !== "closed").map((one) => `${one.id}@${one.q}`);
    assert.deepEqual(held.all().map((one) => `${one.id}@${one.q}`).sort(), wanted.sort(), `seed ${seed}`);
  }
});

test("a snapshot of another epoch replaces all, though its numbers are lower", () => {
  const held = store();
  held.apply([alarm({ id: "old", q: 900 }), alarm({ id: "shut", q: 901, state: "closed" })]);
  held.replace([alarm({ id: "shut", q: 2 }), alarm({ id: "gone", q: 3, state: "closed" })]);
  assert.deepEqual(held.all().map((one) => one.id), ["shut"]);
  assert.deepEqual(held.apply([alarm({ id: "gone", q: 1 })]).map((one) => one.outcome), ["new"]);
});

test("listeners hear once of many changes in one turn", () => {
  const due: (() => void)[] = [];
  const held = new KeyedStore<Alarm>({ id: (one) => one.id, q: (one) => one.q, gone: () => false }, (tell) => due.push(tell));
  let told = 0;
  held.subscribe(() => (told += 1));
  for (let q = 1; q < 50; q += 1) held.apply([alarm({ q })]);
  assert.equal(due.length, 1);
  due[0]?.();
  assert.equal(told, 1);
});

test("new, more severe and come back are news; repeats, acknowledged and held back are not", () => {
  const held = store();
  const fresh = (given: Partial<Alarm>) => newsOf(held.apply([alarm(given)]), false).fresh.length;
  assert.equal(fresh({ q: 1 }), 1);
  assert.equal(fresh({ q: 2, count: 2 }), 0, "a repeat");
  assert.equal(fresh({ q: 3, severity: "critical" }), 1, "more severe");
  assert.equal(fresh({ q: 4, severity: "critical", acked: true, state: "acked" }), 0);
  assert.equal(fresh({ q: 5, severity: "critical", acked: false }), 1, "came back");
  assert.equal(fresh({ q: 6, severity: "critical", condition: "normal", state: "cleared" }), 0, "cleared");
  assert.equal(fresh({ id: "2", q: 7, suppressed_by: "1" }), 0);
  assert.equal(fresh({ id: "2", q: 8 }), 1, "no longer held back");
  assert.equal(fresh({ id: "3", q: 9, condition: "normal", state: "cleared" }), 1, "a pulse that nobody has seen");
  assert.equal(fresh({ id: "3", q: 9, condition: "normal", state: "cleared" }), 0, "the same frame again");
});

test("a snapshot after a silence tells what it brought that was not here before", () => {
  const held = store();
  held.apply([alarm({ id: "a", q: 1 }), alarm({ id: "b", q: 2, acked: true, state: "acked" })]);
  const told = newsOf(held.replace([alarm({ id: "a", q: 1 }), alarm({ id: "b", q: 5 }), alarm({ id: "c", q: 6, severity: "high" })]), true);
  assert.deepEqual(told.fresh.map((one) => one.id), ["b", "c"]);
  assert.equal(told.backlog, true);
});
