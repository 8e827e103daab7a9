import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigWhole } from "../src/api/types";
import { changed, difference } from "../src/commission/diff";
import { shiftTo, typedNumber } from "../src/commission/display";
import { begun, followed, recalled, standing } from "../src/commission/editing";
import { foundOf, frameFits, frameOf, nothingFound, pointOf } from "../src/commission/rows";
import { saidText } from "../src/commission/said";
import { isSerial, lifeOf, longestScan, SPEECHES, unitsOf } from "../src/commission/units";
import { doubtsOf, freeId, type NewDevice, scalar, spanOf, withDevice } from "../src/commission/yaml";
import { random } from "./make";

test("unit ids are what the gateway makes of them", () => {
  assert.deepEqual(unitsOf("1-3, 7,2"), [1, 2, 3, 7]);
  assert.deepEqual(unitsOf("0-255")?.length, 256);
  for (const wrong of ["", "a", "1-", "5-1", "256", "1-300", "1,,2", "1;2", "1-2-3", "-1"]) assert.equal(unitsOf(wrong), null, wrong);
});

test("whoever speaks any protocol is asked at units that there are", () => {
  for (const { name, units, timeoutMs } of SPEECHES) {
    const asked = unitsOf(units);
    assert.ok(asked, name);
    assert.ok(longestScan({ units: asked.length, settings: 1, timeoutMs, perSecond: 20 }) <= 120, name);
  }
});

test("a meter that names itself is written with its own address, and with no unit", () => {
  const row = foundOf({ n: 1, unit: 43, address: "202311000042", rtt_ms: 5, answer: "answers", profiles: [], identity: {} } as Parameters<typeof foundOf>[0]);
  const device = { ...DEVICE, id: freeId("", row.address || row.unit, []), unit: row.unit, address: row.address };
  assert.equal(withDevice("lines:\n  - id: riser\n", "riser", device), 'lines:\n  - id: riser\n    devices:\n      - {id: m-202311000042, profile: eastron-sdm630, address: "202311000042"}\n');
});

test("a scan is told to live as long as it may take, and never for ever", () => {
  const plan = { units: 32, settings: 6, timeoutMs: 200, perSecond: 20 };
  assert.equal(longestScan(plan), 32 * 6 * 0.2);
  assert.equal(longestScan({ ...plan, perSecond: 2 }), 32 * 6 * 0.5, "the rate bounds it");
  assert.ok(lifeOf(plan) > longestScan(plan));
  assert.equal(lifeOf({ ...plan, units: 256, settings: 24, timeoutMs: 2000 }), 4 * 3600);
  assert.deepEqual(["/dev/ttyUSB0", "COM3", "127.0.0.1:502", "meter.example:502"].map(isSerial), [true, true, false, false]);
});

test("silence is told only where everybody was asked and nothing came", () => {
  const over = (state: string, result: object | null) => nothingFound({ state, result } as Parameters<typeof nothingFound>[0]);
  assert.equal(over("done", { found: 0, noise: 0 }), "empty");
  assert.equal(over("done", null), "empty");
  assert.equal(over("done", { found: 0, noise: 3 }), "unread");
  for (const early of ["failed", "stopped"]) assert.equal(over(early, { found: 0, noise: 3 }), "cut");
});

test("what is on the display is found to its last digit, wherever the point stands", () => {
  assert.equal(shiftTo("230.4", "230.4"), 0);
  assert.equal(shiftTo("230.39999389648438", "230.4"), 0, "a float rounds to what the display shows");
  assert.equal(shiftTo("230.47", "230.4"), 0, "some displays cut off");
  assert.equal(shiftTo("230.51", "230.4"), null);
  assert.equal(shiftTo("2304", "230.4"), -1);
  assert.equal(shiftTo("0.2304", "230.4"), 3);
  assert.equal(shiftTo("-12.5", "12.5"), null);
  assert.equal(shiftTo("1000", "1"), null, "a single digit moved by tens is no evidence");
  assert.equal(shiftTo("0", "0"), 0);
  assert.equal(shiftTo("0.00001", "0"), null, "nearly nothing is not nothing");
  assert.equal(shiftTo("12345678901234567890.123", "12345678901234567890.12"), 0, "no binary float on the way");
  for (const wrong of ["", "-", "1.2.3", "NaN", "abc"]) assert.equal(shiftTo(wrong, "1"), null, wrong);
  assert.deepEqual(["1 234,5", " 7 ", "x", "", "1,2,3"].map(typedNumber), ["1234.5", "7", null, null, null]);
});

test("rows of a gateway that says other things become rows that can be shown", () => {
  const found = foundOf({ n: 1, unit: "7", profiles: "none", identity: null });
  assert.deepEqual([found.unit, found.matches, found.identity, found.configured], [0, [], [], ""]);
  const point = pointOf({ n: 1, value: 5, orders: [null, 3, { order: "big", value: "1" }] });
  assert.equal(point.value, null, "a number that is no text went through a float: it is not believed");
  assert.equal(point.guesses.length, 1);
  assert.equal(frameOf({ n: 1, crc: "?" }).crc, "none");
});

test("frames are found by unit, bytes and words", () => {
  const frame = frameOf({ n: 1, dir: "rx", unit: 7, bytes: "07 04 04 43 66", crc: "ok", text: "Read Input Registers" });
  const fits = (text: string, more = {}) => frameFits(frame, { text, onlyBad: false, direction: "", ...more });
  assert.deepEqual(["", "unit 7", "0404", "04 43", "input", "unit 8", "ff"].map((text) => fits(text)), [true, true, true, true, true, false, false]);
  assert.equal(fits("", { onlyBad: true }), false);
  assert.equal(fits("", { direction: "tx" }), false);
});

const DEVICE: NewDevice = { id: "m-7", profile: "eastron-sdm630", unit: 7, address: "", name: "", building: "", floor: "", place: "", baud: null, parity: null };
const SITE = `# riser cupboards
lines:
  - id: riser-a   # the first
    tcp: 10.0.0.1:502
    devices:
      - {id: m-1, profile: p, unit: 1}   # flat 1

  - label: B
    id: "riser-b"
    serial: /dev/ttyUSB0
    devices: []   # none yet
  - id: riser-c
    tcp: 10.0.0.3:502
poll: {routine: 5s}
`;

test("a device is written where it belongs, and nothing else is touched", () => {
  const flow = "- {id: m-7, profile: eastron-sdm630, unit: 7}";
  const a = withDevice(SITE, "riser-a", DEVICE);
  assert.equal(a, SITE.replace("# flat 1\n", `# flat 1\n      ${flow}\n`));
  const b = withDevice(SITE, "riser-b", { ...DEVICE, baud: 2400, parity: "E" });
  assert.equal(b, SITE.replace("devices: []   # none yet\n", `devices:   # none yet\n      - {id: m-7, profile: eastron-sdm630, unit: 7, baud: 2400, parity: "E"}\n`));
  const c = withDevice(SITE, "riser-c", DEVICE);
  assert.equal(c, SITE.replace("10.0.0.3:502\n", `10.0.0.3:502\n    devices:\n      ${flow}\n`));
});

test("lists at the margin and devices in blocks are followed too", () => {
  const text = "lines:\n- id: bus\n  serial: /dev/ttyS0\n  devices:\n  - id: m-1\n    profile: p\n    unit: 1\n- id: other\n  tcp: a:1\n";
  assert.equal(withDevice(text, "bus", { ...DEVICE, name: "Flat: 7" }), text.replace("    unit: 1\n", '    unit: 1\n  - id: m-7\n    profile: eastron-sdm630\n    unit: 7\n    name: "Flat: 7"\n'));
});

test("what cannot be followed is left alone", () => {
  for (const text of ["", "lines: []\n", "lines: [{id: riser-a, devices: []}]\n", "lines:\n  - {id: riser-a, tcp: x:1}\n", SITE.replace("devices:\n", "devices: &all\n"), SITE.replace("riser-a", "riser-z")]) {
    assert.equal(withDevice(text, "riser-a", DEVICE), null, text);
  }
});

test("words that YAML would read otherwise are quoted", () => {
  assert.deepEqual(["m-1", "no", "1e5", "室", 'a"b', "ON"].map(scalar), ["m-1", '"no"', '"1e5"', '"室"', '"a\\"b"', '"ON"']);
  assert.equal(freeId("- id: m-7\n- {id: m-7-2}", 7, ["m-7-3"]), "m-7-4");
});

test("what can be seen before the gateway looks is seen, by line", () => {
  assert.deepEqual(doubtsOf(SITE), []);
  assert.deepEqual(doubtsOf("lines:\n\t- id: a\nbroker: {}\n  - id: b\n  - {id: b}\n").map(({ line, kind }) => [line, kind]), [[2, "tab"], [3, "box"], [5, "twice"]]);
  assert.deepEqual([1, 2, 9].map((line) => spanOf("ab\ncde", line)), [[0, 2], [3, 6], [3, 6]]);
});

test("a difference, applied, is the other text", () => {
  const next = random(7);
  for (let round = 0; round < 300; round += 1) {
    const lines = () => Array.from({ length: Math.floor(next() * 12) }, () => "abcd"[Math.floor(next() * 4)] ?? "");
    const [before, after] = [lines(), lines()];
    const pieces = difference(before.join("\n"), after.join("\n"));
    const { more, less } = changed(pieces);
    const count = (text: string[]) => Math.max(1, text.length);
    if (pieces.length > 0) assert.equal(more - less, count(after) - count(before));
    for (const piece of pieces) {
      if (piece.sign === "…") continue;
      assert.equal((piece.sign === "-" ? before : after)[piece.line - 1] ?? "", piece.text);
    }
    const [old, fresh] = [new Set(pieces.filter((one) => one.sign === "-").map((one) => one.line)), new Set(pieces.filter((one) => one.sign === "+").map((one) => one.line))];
    const rest = (text: string[], gone: Set<number>) => (text.length === 0 ? [""] : text).filter((_, at) => !gone.has(at + 1));
    assert.deepEqual(rest(before, old), rest(after, fresh), "what is in neither is the same in both");
  }
  assert.deepEqual(difference("same", "same"), []);
  const long = Array.from({ length: 5000 }, (_, n) => `line ${n}`);
  assert.ok(difference(long.join("\n"), [...long, "x"].join("\n")).length < 10, "far lines are left out");
  assert.equal(changed(difference(long.join("\n"), [...long].reverse().join("\n"))).more > 0, true, "too much to compare well is still compared");
});

function whole(given: { yaml?: string; draft?: string | null; base?: string; active?: string; at?: string }): ConfigWhole {
  const { yaml = "a", draft = null, base = "h1", active = "h1", at = "t1" } = given;
  const head = { q: 1, site: "s", gateway: "g", state: "local", offer: "", why: "", problems: [], active, at: "t0" };
  return { config: { ...head, draft: draft === null ? null : { base, by: "ada", at, stale: base !== active } }, yaml, draft_yaml: draft, diff: [], offers: [] };
}

test("nobody's text is lost: not one's own, and not the other's", () => {
  const first = whole({});
  assert.deepEqual(begun(first), { text: "a", base: "h1", seen: "" });
  const mine = { ...begun(first), text: "a mine" };
  assert.deepEqual(standing(mine, first), { dirty: true, taken: false, stale: false, same: false });
  const theirs = whole({ draft: "a theirs" });
  assert.equal(followed(mine, first, theirs).text, "a mine");
  assert.equal(standing(mine, theirs).taken, true);
  assert.equal(followed(begun(first), first, theirs).text, "a theirs", "who has written nothing follows");
  const moved = whole({ yaml: "b", active: "h2", draft: "a mine" });
  assert.equal(standing(begun(moved), moved).stale, true);
  assert.equal(standing({ ...begun(moved), base: "h2" }, moved).stale, false, "merged by hand");
  const confirmed = whole({ yaml: "a mine", active: "h2", draft: "a mine" });
  assert.deepEqual(standing(begun(confirmed), confirmed), { dirty: false, taken: false, stale: false, same: true }, "what runs is no draft");
});

test("what was being written comes back to whom it belongs", () => {
  const mine = { text: "a", base: "h1", seen: "" };
  const stored = JSON.stringify({ who: "wang", where: "s/g", ...mine });
  assert.deepEqual(recalled("wang", "s/g", stored), mine);
  for (const [who, where, text] of [["ada", "s/g", stored], ["wang", "s/h", stored], ["wang", "s/g", null], ["wang", "s/g", "{"], ["wang", "s/g", '{"who":"wang","where":"s/g"}']] as const) assert.equal(recalled(who, where, text), null);
});

test("what gateways say is said in Chinese where it is known", () => {
  const said = {
    "9600 8E1 unit 8": "9600 8E1，地址 8",
    "unit 8": "地址 8",
    "it names itself so; plausible: volts 230 V, hz 50; odd: a 3; refuses holding 0+2": "设备自报；合理：volts 230 V、hz 50；可疑：a 3；拒绝：保持寄存器 0+2",
    "not as well as before within 5 min: m-1 no longer answers; m-2: a, b not good; the server was not reached": "5 分钟内未恢复到原有状态：m-1 不再应答；m-2：a、b 读数异常；未连上服务器",
    "2 problems: mend and offer it again; nothing is changed": "2 处问题：修改后重新下发，现场没有改动",
    "3 × no answer, 1 × damaged answer (look at termination, shield, a second device of that address); 5 of 100 reads in 120 s: a slow device is not asked for longer": "无应答 3 次、应答损坏（请查终端电阻、屏蔽层及是否有同地址设备） 1 次；120 秒内读取 5 次（计划 100 次）：设备较慢，不再多问",
    "kwh stale, hz is not connected or not fitted": "kwh 过期、hz 未接或未装",
    "the line is down: riser: no answer in time": "总线中断：设备无应答",
    "stopped by wang": "已由 wang 停止",
    "input 2+2: no answer": "输入寄存器 2+2：无应答",
    "exception 02 to function 03: illegal data address": "异常 02（功能 03）：非法数据地址",
    "something new": "something new",
  };
  for (const [text, wanted] of Object.entries(said)) {
    assert.equal(saidText("zh", text), wanted);
    assert.equal(saidText("en", text), text);
  }
  const both = "Pull the uplink's cable now / 请拔掉上行网线 (120 s)";
  assert.equal(saidText("zh", "the camera refuses the login"), "摄像机拒绝登录，请检查用户名与密码", "what guards read too");
  assert.equal(saidText("en", both), "Pull the uplink's cable now (120 s)");
  assert.equal(saidText("zh", both), "请拔掉上行网线 (120 s)");
});
