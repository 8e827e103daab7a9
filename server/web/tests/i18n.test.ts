import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { causeText } from "../src/i18n/cause";
import { en } from "../src/i18n/en";
import { deviceText, placeText } from "../src/i18n/place";
import { ageText, translate } from "../src/i18n/text";
import { zh } from "../src/i18n/zh";

const holes = (text: string): string => [...text.matchAll(/\{(\w+)\}/g)].map((hole) => hole[1]).sort().join();

test("both languages have the same keys with the same holes, and nothing is empty", () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    const other = zh[key as keyof typeof en];
    assert.ok(text.trim() && other.trim(), key);
    assert.equal(holes(other), holes(text), key);
  }
});

test("no Latin words are left in Chinese, but names and file formats", () => {
  const known = /Gatehouse|English|CSV|JSON/g;
  for (const [key, text] of Object.entries(zh)) {
    const rest = text.replace(/\{\w+\}/g, "").replace(known, "");
    assert.doesNotMatch(rest, /[A-Za-z]{2,}/, key);
  }
});

test("Chinese uses Chinese punctuation", () => {
  for (const [key, text] of Object.entries(zh)) assert.doesNotMatch(text, /[\u4e00-\u9fff][,;:!?.]/, key);
});

test("no text shouts", () => {
  for (const text of [...Object.values(en), ...Object.values(zh)]) assert.doesNotMatch(text, /[!！]/);
});

test("every key is used somewhere", () => {
  const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name) && !/i18n\/(en|zh)\b/.test(name));
  const source = files.map((name) => readFileSync(`src/${name}`, "utf8")).join("\n");
  const prefixes = [...source.matchAll(/`([a-z]+\.)(?:[a-z]+\.)?\$\{/g), ...source.matchAll(/word\("([a-z.]+)"/g)].map((found) => `${found[1]}`);
  const unused = Object.keys(en).filter((key) => !source.includes(`"${key}"`) && !prefixes.some((prefix) => key.startsWith(prefix.endsWith(".") ? prefix : `${prefix}.`)));
  assert.deepEqual(unused, []);
});

test("holes are filled, and only they", () => {
  assert.equal(translate("en", "alarms.total", { shown: 3, n: 5 }), "3 of 5 open");
  assert.equal(translate("zh", "alarms.total", { shown: 3, n: 5 }), "未关闭 5 条，显示 3 条");
  assert.equal(translate("en", "bulk.refused", { n: 1, all: 2, why: "{n} {constructor}" }), "1 of 2 were not acknowledged: {n} {constructor}");
});

test("ages are said in the largest unit that says something", () => {
  assert.deepEqual([0, 119_000, 120_000, 7_199_000, 7_200_000, 172_800_000].map((ms) => ageText("en", ms)), ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
  assert.equal(ageText("zh", 180_000), "3 分钟");
  assert.equal(ageText("en", -5000), "0 s", "a clock that is ahead");
});

/** Where the server refuses what a page asks for: a page that asks for more adds its file. */
const REFUSING = ["errors", "commands", "auth/guard", "tools/store", "configs/store", ...["alarm_pictures", "alarms", "configs", "context", "devices", "gateways", "meters", "middleware", "orders", "records", "session", "stream", "tools"].map((name) => `api/${name}`)];

test("every code that the server refuses a page with has words in both languages", () => {
  const source = REFUSING.map((name) => readFileSync(`../${name}.py`, "utf8")).join("\n");
  const codes = new Set([...source.matchAll(/(?:ApiError\(\s*\d+,|Refused\()\s*"(\w+)"/g)].map((found) => found[1] as string));
  assert.ok(codes.size > 12, "the codes are found");
  // `invalid` is a fault of the page, never of the person: the server's own words go to whoever mends it.
  assert.deepEqual([...codes].filter((code) => code !== "invalid" && code !== "not_signed_in" && !(`code.${code}` in en)), []);
});

test("a place is said in the words of the language", () => {
  const where = { site: "s", building: "B", floor: "11", place: "riser" };
  assert.equal(placeText((key, params) => translate("zh", key, params), where), "B 栋 · 11 层 · riser");
  assert.equal(placeText((key, params) => translate("en", key, params), { ...where, building: "Tower Two", floor: "roof", place: "" }), "Tower Two · roof");
  assert.equal(placeText((key, params) => translate("zh", key, params), { ...where, floor: "-1" }), "B 栋 · 地下 1 层 · riser");
});

test("whose it is: the device, and what of it", () => {
  const of = { device: "fire-1", device_name: "Fire panel", part: "1/1/42/65537", gateway: "gw-a" };
  assert.equal(deviceText(of), "Fire panel · 1/1/42/65537");
  assert.equal(deviceText({ ...of, part: "", device_name: "" }), "fire-1");
  assert.equal(deviceText({ ...of, part: "", device_name: "", device: "" }), "gw-a");
});

test("causes that the server writes are said in Chinese, others as they came", () => {
  const said = {
    "good sample": "收到正常读数",
    "no good sample for 30 s": "30 秒无正常读数",
    "its gateway gets no answer": "网关未收到应答",
    "its gateway hears it": "网关收到其消息",
    "gateway gw-a: no heartbeat for 45 s": "网关 gw-a：45 秒无心跳",
    "gateway gw-a: connection lost": "网关 gw-a：连接中断",
    "gateway gw-a is back": "网关 gw-a 已恢复",
    "birth of gw-a": "网关 gw-a 上报",
    "birth of gw-a no longer names it": "网关 gw-a 不再上报此设备",
    "before this database": "早于本数据库",
    "it expired at 2026-03-01T12:00:00.000Z": "指令已过期",
    "the device refuses: 04": "设备拒绝：04",
    "no sound answer to the order (x); afterwards open = 0": "执行后读到 open = 0",
    "not confirmed within 45 s: afterwards valve = 0": "45 秒内未确认：执行后读到 valve = 0",
    "another command was given to the device before this one showed": "结果尚未显示，设备又收到另一指令",
    "something new": "something new",
  };
  for (const [why, wanted] of Object.entries(said)) {
    assert.equal(causeText("zh", why), wanted);
    assert.equal(causeText("en", why), why);
  }
});
