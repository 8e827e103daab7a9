/** What gateways and the server say on the page of commissioning, in the page's language: the words of scans and frames, and all others. */

import { causeText } from "../i18n/cause";
import type { Language } from "../i18n/text";

type Rule = [pattern: RegExp, say: (parts: string[]) => string];

const QUALITIES: Record<string, string> = { good: "正常" };
const names = (list: string): string => list.replaceAll(", ", "、");

const EXCEPTIONS: Record<string, string> = {
  "illegal function": "不支持的功能",
  "illegal data address": "非法数据地址",
  "illegal data value": "非法数据值",
  "server device failure": "设备故障",
  acknowledge: "已接受，处理中",
  "server device busy": "设备忙",
  "gateway path unavailable": "网关路径不可用",
  "gateway target device failed to respond": "目标设备无应答",
};

/** What is said on this page only: so short that elsewhere it might be some device's own word. */
const RULES: readonly Rule[] = [
  [/^(\d+) (\d)([NEO])(\d) unit (\d+)$/, ([baud, bits, parity, stop, unit]) => `${baud} ${bits}${parity}${stop}，地址 ${unit}`],
  [/^unit (\d+)$/, ([unit]) => `地址 ${unit}`],
  [/^(\d+) frames, (\d+) of them bad$/, ([n, bad]) => `${n} 帧，其中错误 ${bad} 帧`],
  [/^exception ([0-9A-F]{2}) to function ([0-9A-F]{2}): (.*)$/, ([code, asked, name = ""]) => `异常 ${code}（功能 ${asked}）：${EXCEPTIONS[name] ?? name}`],
  [/^nothing lost$/, () => "无丢失"],
  [/^(synced|holdover|unset)$/, ([state = ""]) => ({ synced: "已同步", holdover: "守时", unset: "未设置" })[state] ?? state],
  [/^answers$/, () => "有应答"],
  [/^nothing speaks for it$/, () => "没有依据"],
  [/^no answer$/, () => "无应答"],
  [/^no errors$/, () => "无错误"],
];

const TABLES: Record<string, string> = { holding: "保持寄存器", input: "输入寄存器", coil: "线圈", discrete: "离散输入" };
/** "holding 8192+2": which registers were asked for. */
const registers = (text: string): string => text.replace(/\b(holding|input|coil|discrete) (?=\d)/g, (_, table: string) => `${TABLES[table]} `);

/** "plausible: volts 230 V, …; refuses holding 0+2": why a profile fits, or not. */
function evidence(text: string): string | null {
  const heads: [string, string][] = [["it names itself so", "设备自报"], ["plausible: ", "合理："], ["odd: ", "可疑："], ["refuses ", "拒绝："]];
  const parts = text.split("; ").map((part) => {
    const head = heads.find(([start]) => part.startsWith(start));
    return head ? head[1] + registers(names(part.slice(head[0].length))) : null;
  });
  return parts.every((part) => part !== null) ? parts.join("；") : null;
}

/** "Pull it now / 请拔掉 (20 s)": words that the gateway has for whoever stands before it, in both languages at once. */
const BOTH = /^([^/]*[A-Za-z][^/]*) \/ ([^/]*[\u4e00-\u9fff][^/(]*)(\([^)]*\))?$/;

export function saidText(language: Language, text: string): string {
  const both = BOTH.exec(text);
  if (both) return `${(language === "zh" ? both[2] : both[1])?.trim()}${both[3] ? ` ${both[3]}` : ""}`;
  if (language !== "zh" || text === "") return text;
  for (const [pattern, say] of RULES) {
    const found = pattern.exec(text);
    if (found) return say(found.slice(1));
  }
  const trouble = /^((?:holding|input|coil|discrete) [\d+]+): (.*)$/.exec(text);
  if (trouble) return `${registers(trouble[1] ?? "")}：${saidText(language, trouble[2] ?? "")}`;
  return evidence(text) ?? QUALITIES[text] ?? causeText(language, text);
}
