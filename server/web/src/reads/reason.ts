/** Why a period read is as it is, in the page's language. The server's words are English; those known are said again. */

import type { Language } from "../i18n/text";

const KINDS: Record<string, string> = { DECREASE: "示数倒走", EXCHANGE_SUSPECTED: "疑似换表", SPIKE: "用量突变", ROLLOVER: "示数翻转" };

const FACTS: Record<string, string> = {
  multiplier: "倍率",
  serial: "表号",
  name: "设备型号文件",
  vendor: "厂家",
  model: "型号",
  protocol: "协议",
  unit: "单位",
  kind: "计度器类型",
  modulus: "计度器量程",
  register: "计度器",
};

const fact = (text: string): string => (text === "none" ? "无" : text);
const span = (text: string): string => text.replace(/(\d+) days?, /, "$1 天 ");
const side = (name: string | undefined): string => (name === "start" ? "期初" : "期末");

type Rule = [pattern: RegExp, say: (parts: string[]) => string];

const RULES: readonly Rule[] = [
  [/^the period has not ended$/, () => "周期尚未结束"],
  [/^the period has not begun$/, () => "周期尚未开始"],
  [/^no usable reading near it$/, () => "附近没有可用读数"],
  [/^no reading after the (start|end) yet: a nearer one may still come$/, ([name]) => `${side(name)}之后尚无读数，可能还有更近的读数`],
  [/^the first usable reading comes (.+) later, and none before it$/, ([far = ""]) => `此前没有可用读数，此后首个读数晚 ${span(far)}`],
  [/^the last usable reading came (.+) earlier, and none after it$/, ([far = ""]) => `此后没有可用读数，此前最后读数早 ${span(far)}`],
  [/^the readings around it are (.+) apart, more than (.+)$/, ([far = "", most = ""]) => `前后读数相隔 ${span(far)}，超过 ${span(most)}`],
  [/^([A-Z_]+): (?:in between )?the register went from (\S+) to (\S+)(?: around it)?$/, ([kind = "", a, b]) => `${KINDS[kind] ?? "示数异常"}：由 ${a} 变为 ${b}`],
  [/^in between the register counted (\S+), and its ends differ by (\S+)$/, ([a, b]) => `期间累计 ${a}，与首尾之差 ${b} 不符`],
  [/^the register rolled over at (\S+)$/, ([at]) => `计度器在 ${at} 处翻转`],
  [/^MASTER_DATA_CHANGED: ([a-z]+) from (.+) to (.+) at (\S+)$/, ([name = "", a = "", b = "", at]) => `周期内档案变更：${FACTS[name] ?? name}由 ${fact(a)} 变为 ${fact(b)}（${at}）`],
  [/^the meter gave two different values for one instant$/, () => "同一时刻有两个不同示数"],
];

function one(text: string): string {
  const named = /^(start|end): (.*)$/.exec(text);
  if (named) return `${side(named[1])}：${one(named[2] ?? "")}`;
  for (const [pattern, say] of RULES) {
    const found = pattern.exec(text);
    if (found) return say(found.slice(1));
  }
  return text;
}

export function reasonText(language: Language, why: string): string {
  return language === "zh" ? why.split("; ").map(one).join("；") : why;
}
