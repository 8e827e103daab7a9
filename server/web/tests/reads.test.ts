import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReadRow } from "../src/api/types";
import { spaced, sum } from "../src/reads/decimal";
import { reasonText } from "../src/reads/reason";
import { coverage, totals, monthsUpTo } from "../src/reads/total";
import { random } from "./make";

test("sums are exact where floats are not", () => {
  assert.equal(sum(["0.1", "0.2"]), "0.3");
  assert.equal(sum(["9007199254740993.001", "0.0009"]), "9007199254740993.0019");
  assert.equal(sum(["-0.5", "0.25"]), "-0.25");
  assert.equal(sum(["-1.5", "1.50"]), "0.00");
  assert.equal(sum([]), "0");
  assert.equal(sum(["1", "1e3"]), null, "a number that cannot be read is a hole");
});

test("any sum agrees with the sum in the smallest unit", () => {
  const next = random(11);
  for (let round = 0; round < 300; round += 1) {
    const values = Array.from({ length: 1 + Math.floor(next() * 12) }, () => {
      const places = Math.floor(next() * 5);
      const units = BigInt(Math.floor((next() - 0.5) * 1e9));
      const digits = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
      const text = places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
      return { text: units < 0n ? `-${text}` : text, scaled: units * 10n ** BigInt(6 - places) };
    });
    const total = sum(values.map((value) => value.text));
    assert.ok(total);
    const [whole = "", fraction = ""] = total.replace("-", "").split(".");
    const back = BigInt(whole + fraction.padEnd(6, "0")) * (total.startsWith("-") ? -1n : 1n);
    assert.equal(back, values.reduce((all, value) => all + value.scaled, 0n));
  }
});

test("digits are set apart and none is lost", () => {
  assert.equal(spaced("1234567.8901"), "1\u202f234\u202f567.8901");
  assert.equal(spaced("-999"), "\u2212999");
  assert.equal(spaced("12.0"), "12.0");
  assert.equal(spaced("n/a"), "n/a");
});

const row = (given: Partial<ReadRow>): ReadRow => ({ unit: "kWh", consumption: null, state: "missing", quality: "missing", ...given }) as ReadRow;

test("what is missing is not a zero in the total", () => {
  const rows = [row({ consumption: "1.10", state: "ready" }), row({ consumption: "2.2", state: "provisional" }), row({}), row({ unit: "m3", consumption: "5", state: "held" })];
  assert.deepEqual(totals(rows), [
    { unit: "kWh", registers: 2, total: "3.30" },
    { unit: "m3", registers: 1, total: "5" },
  ]);
  assert.deepEqual(coverage(rows), { ready: 1, provisional: 1, held: 1, missing: 1 });
  assert.deepEqual(totals([row({})]), []);
});

test("the server's reasons are said in Chinese, what is not known as it was sent", () => {
  const say = (why: string) => reasonText("zh", why);
  assert.equal(say("start: no usable reading near it; end: the readings around it are 2 days, 3:00:00 apart, more than 6:00:00"), "期初：附近没有可用读数；期末：前后读数相隔 2 天 3:00:00，超过 6:00:00");
  assert.equal(say("DECREASE: the register went from 10.5 to 3"), "示数倒走：由 10.5 变为 3");
  assert.equal(say("EXCHANGE_SUSPECTED: in between the register went from 10.5 to 3"), "疑似换表：由 10.5 变为 3");
  assert.equal(say("no reading after the end yet: a nearer one may still come"), "期末之后尚无读数，可能还有更近的读数");
  assert.equal(say("start: no usable reading near it; end: the period has not ended"), "期初：附近没有可用读数；期末：周期尚未结束");
  assert.equal(say("the period has not begun"), "周期尚未开始");
  assert.equal(say("end: DECREASE: the register went from 10.5 to 3 around it"), "期末：示数倒走：由 10.5 变为 3");
  assert.equal(
    say("start: no usable reading near it; MASTER_DATA_CHANGED: serial from SN 1 to none at 2026-03-15T00:00:00.000Z"),
    "期初：附近没有可用读数；周期内档案变更：表号由 SN 1 变为 无（2026-03-15T00:00:00.000Z）",
  );
  assert.equal(say("MASTER_DATA_CHANGED: multiplier from 30 to 60 at 2026-03-15T00:00:00.000Z"), "周期内档案变更：倍率由 30 变为 60（2026-03-15T00:00:00.000Z）");
  assert.equal(say("something new"), "something new");
  assert.equal(reasonText("en", "the period has not ended"), "the period has not ended");
});

test("the months to choose from go back over the year's end, and hold the chosen one", () => {
  assert.deepEqual(monthsUpTo("2026-02", 4, "2026-01"), ["2026-02", "2026-01", "2025-12", "2025-11"]);
  assert.deepEqual(monthsUpTo("2026-02", 2, "2019-07"), ["2026-02", "2026-01", "2019-07"]);
  assert.deepEqual(monthsUpTo("2026-02", 2, "2026-05"), ["2026-05", "2026-02", "2026-01"]);
});
