import assert from "node:assert/strict";
import { test } from "node:test";
import { dayIn, fullTime, instantIn, isZone, longTime, offsetText, shortTime, wallOf } from "../src/i18n/time";
import { zoneOf, zonesOf } from "../src/store/zonemap";
import { addDays, addDaysTo, instantOf, momentIn, parseDay, parseMoment } from "../src/ui/datetext";
import { random } from "./make";

const ZONES = ["Asia/Shanghai", "America/New_York", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"];

test("a time is that of the site, not of the browser", () => {
  const at = "2026-03-01T18:30:05Z";
  assert.equal(longTime(at, "Asia/Shanghai"), "2026-03-02 02:30:05");
  assert.equal(longTime(at, "America/New_York"), "2026-03-01 13:30:05");
  assert.equal(longTime("2026-03-01T16:00:00Z", "Asia/Shanghai"), "2026-03-02 00:00:00", "midnight is hour 0");
  assert.match(fullTime(at, "Asia/Shanghai", "zh"), /2026年3月2日.*2:30:05.*UTC\+8$/);
  assert.match(fullTime(at, "Asia/Shanghai", "en"), /2 March 2026.*2:30:05.*UTC\+8 \(Asia\/Shanghai\)$/);
  assert.equal(dayIn(Date.parse(at), "Asia/Shanghai"), "2026-03-02");
});

test("a time of another day says its date, by the day of the site", () => {
  const now = Date.parse("2026-03-05T16:30:00Z");
  assert.equal(shortTime("2026-03-05T16:10:07Z", "Asia/Shanghai", now), "00:10:07");
  assert.equal(shortTime("2026-03-05T15:50:07Z", "Asia/Shanghai", now), "03-05 23:50");
  assert.equal(shortTime("2025-12-31T09:08:07Z", "Asia/Shanghai", now), "2025-12-31 17:08");
  assert.equal(shortTime("yesterday", "Asia/Shanghai", now), "–");
  assert.equal(shortTime(null, "Asia/Shanghai", now), "–");
});

test("offsets are said as people say them", () => {
  const summer = Date.parse("2026-07-01T00:00:00Z");
  const said = { "Asia/Shanghai": "UTC+8", UTC: "UTC", "America/St_Johns": "UTC\u22122:30", "Asia/Kathmandu": "UTC+5:45" };
  for (const [zone, text] of Object.entries(said)) assert.equal(offsetText(summer, zone), text);
  assert.ok(isZone("Europe/Berlin"));
  for (const bad of ["", "Mars/Base", "../etc"]) assert.equal(isZone(bad), false, bad);
});

test("what the clock shows goes to its instant and back, but for hours that do not exist", () => {
  const next = random(7);
  for (let n = 0; n < 3_000; n += 1) {
    const zone = ZONES[n % ZONES.length] as string;
    const ms = Math.floor((next() * 60 + 1) * 365.25 * 86_400) * 1000;
    const wall = wallOf(ms, zone);
    const back = instantIn(wall, zone);
    assert.deepEqual(wallOf(back, zone), wall, `${zone} ${ms}`);
    assert.ok(back === ms || back === ms - 3_600_000 || back === ms - 1_800_000 || back < ms, "the first of two");
  }
  // In New York 02:30 of this day did not exist; 01:30 of the other one came twice.
  assert.equal(new Date(instantIn({ year: 2026, month: 3, day: 8, hour: 2, minute: 30, second: 0 }, "America/New_York")).toISOString(), "2026-03-08T07:30:00.000Z");
  assert.equal(new Date(instantIn({ year: 2026, month: 11, day: 1, hour: 1, minute: 30, second: 0 }, "America/New_York")).toISOString(), "2026-11-01T05:30:00.000Z");
});

test("a day is read as people write it, and only when there is such a day", () => {
  for (const text of ["2026-11-06", "20261106", "2026/11/6", "2026.11.06", " 2026-11-06 ", "2026年11月6日"]) assert.equal(parseDay(text), "2026-11-06", text);
  for (const text of ["", "2026-02-29", "2026-13-01", "06-11-2026", "11/06/2026", "2026-1", "1900-01-01", "2026-11-06x", "２０２６-11-06"]) assert.equal(parseDay(text), null, text);
  assert.equal(parseDay("2024-02-29"), "2024-02-29");
});

test("a moment is a day and a time", () => {
  const read = { "2026-11-06": "2026-11-06 00:00", "2026-11-06 8:05": "2026-11-06 08:05", "2026-11-06T08:05:09": "2026-11-06 08:05:09", "20261106 23:59": "2026-11-06 23:59", "2026年11月6日 8：05": "2026-11-06 08:05" };
  for (const [text, wanted] of Object.entries(read)) assert.equal(parseMoment(text), wanted, text);
  for (const text of ["2026-11-06 24:00", "2026-11-06 08:60", "08:00", "2026-11-06 noon", "2026-02-30 08:00"]) assert.equal(parseMoment(text), null, text);
});

test("days go on over the ends of months and years", () => {
  assert.equal(addDays("2026-02-28", 1), "2026-03-01");
  assert.equal(addDays("2026-01-01", -1), "2025-12-31");
  assert.equal(addDaysTo("2026-12-31 08:30", 1), "2027-01-01 08:30");
});

test("what is typed means the clock of the site", () => {
  assert.equal(instantOf("2026-11-01 00:00", "Asia/Shanghai"), "2026-10-31T16:00:00.000Z");
  assert.equal(instantOf("2026-11-01", "America/New_York"), "2026-11-01T04:00:00.000Z");
  assert.equal(instantOf("soon", "Asia/Shanghai"), null);
  assert.equal(instantOf(null, "Asia/Shanghai"), null);
  assert.equal(momentIn(Date.parse("2026-10-31T16:00:59Z"), "Asia/Shanghai"), "2026-11-01 00:00");
});

test("each site has its zone; what belongs to none has that of all, or the server's", () => {
  const gateway = (site: string, id: string, timezone: string) => ({ site, id, timezone });
  const one = zonesOf([gateway("a", "g1", "Asia/Shanghai"), gateway("b", "g2", "")], "Europe/Berlin");
  assert.deepEqual([one.mixed, one.usual, zoneOf(one, "a"), zoneOf(one, "b"), zoneOf(one)], [false, "Asia/Shanghai", "Asia/Shanghai", "Asia/Shanghai", "Asia/Shanghai"]);
  const two = zonesOf([gateway("b", "g2", "America/New_York"), gateway("a", "g9", "Mars/Base"), gateway("a", "g1", "Asia/Shanghai")], "Europe/Berlin");
  assert.deepEqual([two.mixed, two.usual, zoneOf(two, "a"), zoneOf(two, "b"), zoneOf(two, "c")], [true, "Europe/Berlin", "Asia/Shanghai", "America/New_York", "Europe/Berlin"]);
  assert.deepEqual([one.several, two.several, zonesOf([gateway("a", "g1", ""), gateway("a", "g2", "")], "UTC").several], [true, true, false]);
  assert.equal(zonesOf([], "Europe/Berlin").usual, "Europe/Berlin");
});
