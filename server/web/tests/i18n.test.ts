import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { causeText, noteText } from "../src/i18n/cause";
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
    "afterwards open = false, mode = unknown": "执行后读到 open = 否, mode = 未知",
    "another command was given to the device before this one showed": "结果尚未显示，设备又收到另一指令",
    "no sound answer to the order (x); it may have been carried out": "下发后无有效应答，可能已执行",
    "the line was lost after it was sent (riser: closed); it may have been carried out": "下发后总线中断，可能已执行",
    "m-1: no answer in time": "设备无应答",
    "not confirmed within 45 s: the device took it, but the read-back failed: riser-a: no answer in time": "45 秒内未确认：设备已接受，回读失败：设备无应答",
    "the journal could not be read: it is kept as j.sqlite.1, and a new epoch has begun": "网关存储无法读取，已另存为 j.sqlite.1，并重新开始",
    "journal_full: the alarm lane holds 7 bytes and has no room for 9 more: bring the server back, or raise journal.alarm_mb": "报警存储已用 7 字节，容不下另外 9 字节：请恢复与服务器的连接，或调大网关存储上限",
    "300 s ahead of the server's": "比服务器快 300 秒",
    "cam-1 has not told where its picture is": "cam-1 尚未告知取图地址，请稍后再试",
    "the picture no JPEG: it has no frame": "画面不可用：不是 JPEG 图片",
    "the picture is longer than the gateway has said": "画面比网关所说的更长",
    "the line is down: line cameras does not listen: it has not begun yet": "总线中断：线路 cameras 没有在监听",
    "configuration f1 is rolled back: not as well as before within 5 min: m-2: a, b and 3 more not good; m-1, m-3 no longer answer; line net no longer listens; and 2 more; the site file on the box was edited: it holds now; m-1 does no better with the configuration before: look there first, then offer this again": "配置 f1 已回退：5 分钟内未恢复到原有状态：m-2：a、b 等另 3 项 读数异常；m-1、m-3 不再应答；线路 net 不再监听；另有 2 项；现场配置文件已被修改，以它为准；m-1 用原配置也未恢复：请先查看现场，再重新下发",
    "configuration f1 is rolled back: the process began 4 times while it was on trial, or its time was over": "配置 f1 已回退：试运行期间程序启动了 4 次，或时间已到",
    "broker, metrics cannot change while the gateway runs: nothing is changed; restart it instead": "运行中不能修改 broker、metrics：现场没有改动，请改为重启网关",
    "its gateway is silent": "网关失联",
    "there is no room for it: all pictures together take what they may": "画面总量已达上限，没有空间保存",
    "something new": "something new",
  };
  for (const [why, wanted] of Object.entries(said)) {
    assert.equal(causeText("zh", why), wanted);
    assert.equal(causeText("en", why), why);
  }
});

test("what devices tell beside alarms and records is said in Chinese, and what is theirs stays", () => {
  const said = {
    "granted, card credential 0123456789abcdef, person 6 characters, told 500 s later": "granted，卡号 凭证 0123456789abcdef，人员（6 个字符），500 秒后补报",
    "vehicle_in, plate 沪A12345, direction in, the device's clock is 300 s ahead": "vehicle_in，车牌 沪A12345，方向 in，设备时钟快 300 秒",
    "26 bits, facility 12, card 3456": "26 位，区码 12，卡号 3456",
    "5 keys": "5 个按键",
    "BA burglary alarm: area 1, number 5 'Lobby'; text north; the panel's clock is 300 s behind": "BA 盗警报警：分区 1，编号 5 'Lobby'；文字 north；主机时钟慢 300 秒",
    "FA fire alarm": "FA 火警报警",
    "RP automatic test, told late; text x": "RP 自动测试（补报）；文字 x",
    "E110 fire: partition 01, zone or user 003": "E110 火警：分区 01，防区或用户 003",
    "R999 event: partition 01, zone or user 003; text x": "R999 事件（恢复）：分区 01，防区或用户 003；文字 x",
    "AB zone 3 smoke": "AB zone 3 smoke",
    "大堂; 感烟火灾探测器 smoke detector 7 (0-7): 火警 fire 0x0002": "大堂; 感烟火灾探测器 smoke detector 7 (0-7)：火警 0x0002",
    "用户信息传输装置 transmission device: 复位 reset; operator 3": "用户信息传输装置：复位；操作员 3",
    "no answer within 5 min (查岗无应答)": "5 分钟内查岗无应答",
    "number 3 in the meter's log, ended 2026-03-01 12:00:00 by the meter's clock": "电表记录第 3 条，结束于 2026-03-01 12:00:00（电表时钟）",
    "zone_3 = true": "zone_3 = 是",
    "pressure = 120 kPa": "pressure = 120 kPa",
    "tns1:VideoSource/GlobalSceneChange/ImagingService Changed Source=0, State=true": "tns1:VideoSource/GlobalSceneChange/ImagingService Changed Source=0, State=true",
    "3# 2层 走廊 / 001-042 火警": "3# 2层 走廊 / 001-042 火警",
  };
  for (const [why, wanted] of Object.entries(said)) {
    assert.equal(causeText("zh", why), wanted);
    assert.equal(causeText("en", why), why);
  }
});

test("a journal's notes are said in Chinese, but never what a person wrote", () => {
  assert.equal(noteText("zh", "cleared", "with Z001: seen 2026-03-01T12:00:00+00:00"), "随 Z001 结束：网关于 2026-03-01T12:00:00+00:00 见到");
  assert.equal(noteText("zh", "raised", "seen 2026-03-01T12:00:00+00:00 card 77"), "网关于 2026-03-01T12:00:00+00:00 见到：卡号 77");
  assert.equal(noteText("zh", "pulse", "seen 2026-03-01T12:00:00.000+00:00, by its own clock 2026-03-01T11:58:00.000+00:00 card 77"), "网关于 2026-03-01T12:00:00.000+00:00 见到，设备时钟为 2026-03-01T11:58:00.000+00:00：卡号 77");
  assert.equal(noteText("zh", "explained", "its gateway has now said what it is: fire, critical"), "网关已说明类别与级别");
  for (const action of ["ack", "close", "closed-by-hand"]) assert.equal(noteText("zh", action, "stopped"), "stopped");
  assert.equal(noteText("en", "raised", "stopped"), "stopped");
});

test("each event code that the gateway names has its Chinese name", () => {
  const source = readFileSync("../../drivers/sia_dc09/codes.py", "utf8");
  const codes = [...source.matchAll(/^ {4}"(\w{2,3})": "(.+)",$/gm)];
  assert.ok(codes.length > 180, "the codes are found");
  for (const [, code = "", name = ""] of codes) {
    const said = /\d/.test(code) ? causeText("zh", `E${code} ${name}: partition 01, zone or user 1`) : causeText("zh", `${code} ${name}`);
    assert.match(said, /^\w+ [\u4e00-\u9fff\d]/, `${code} ${name}`);
  }
});

/** Where the gateway and the server write why something is so: no picture, a command's end, a configuration's, what a certificate says. */
const SAYING = [
  ...["cameras/client", "cameras/picture", "cameras/camera_line", "polling/orders", "commands"],
  ...["tools/snapshot", "tools/jobs", "tools/remote", "tools/voice", "tools/certify", "tools/ear_certify", "tools/cable"],
  ...["reconfig/reload", "reconfig/start", "reconfig/probation", "reconfig/remote"],
].map((name) => `gateway/${name}`).concat("server/alarms/pictures", "server/alarms/engine");

test("every reason that they write has words in Chinese", () => {
  const source = SAYING.map((name) => readFileSync(`../../${name}.py`, "utf8")).join("\n");
  const raised = /(?:raise \w+|Outcome\.\w+,|not_run|_refused|PictureBroken|given_up\(\w+,|untold=printable|here, here,)\(?\s*f?"([^"\n]+)"\s*(?=[,)])/g;
  const written = /(?:"why": ?|\b(?:why|EDITED|OUR_FAULT) ?= ?|\bwhy ?= ?"" if [^"\n]+ else )f?"([^"\n]+)"(?=[,)}\n])/g;
  const yielded = /\b(?:yield|reasons\.append\() ?f?"([^"\n]+)"\)?\n/g;
  // What begins with a hole is put together of others, which are looked at above.
  const whole = [raised, written, yielded].flatMap((form) => [...source.matchAll(form)].map((found) => found[1] as string)).filter((text) => !text.startsWith("{") || / (?:is|no longer|not) /.test(text));
  const reasons = whole.map((text) => text.replace(/\{'s' \* [^}]*\}/g, "s").replace(/\{[^}]*\}/g, "7"));
  assert.ok(reasons.length > 70, "the reasons are found");
  const english = reasons.filter((why) => !/[\u4e00-\u9fff]/.test(causeText("zh", why)));
  assert.deepEqual(english, []);
});
