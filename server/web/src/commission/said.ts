/** What gateways and the server say of jobs and configurations, in the page's language. What is not known stays as it came. */

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

const RULES: readonly Rule[] = [
  [/^(\d+) (\d)([NEO])(\d) unit (\d+)$/, ([baud, bits, parity, stop, unit]) => `${baud} ${bits}${parity}${stop}，地址 ${unit}`],
  [/^unit (\d+)$/, ([unit]) => `地址 ${unit}`],
  [/^(\d+) frames, (\d+) of them bad$/, ([n, bad]) => `${n} 帧，其中错误 ${bad} 帧`],
  [/^exception ([0-9A-F]{2}) to function ([0-9A-F]{2}): (.*)$/, ([code, asked, name = ""]) => `异常 ${code}（功能 ${asked}）：${EXCEPTIONS[name] ?? name}`],
  [/^nothing lost$/, () => "无丢失"],
  [/^nobody has ever set it: .*$/, () => "从未校准：请启动对时服务"],
  [/^plausible, but nothing keeps it right now: .*$/, () => "时间可信，但目前没有对时：请检查对时服务"],
  [/^(synced|holdover|unset)$/, ([state = ""]) => ({ synced: "已同步", holdover: "守时", unset: "未设置" })[state] ?? state],
  [/^the server has not stored everything within (\d+) s$/, ([s]) => `${s} 秒内服务器没有全部保存`],
  [/^nobody pulled the cable within (\d+) s$/, ([s]) => `${s} 秒内没有拔线`],
  [/^the broker was not reached again within (\d+) s$/, ([s]) => `${s} 秒内没有重新连上`],
  [/^answers$/, () => "有应答"],
  [/^nothing speaks for it$/, () => "没有依据"],
  [/^stopped by (\S+)$/, ([who]) => `由 ${who} 停止`],
  [/^(?:stopped|the gateway stops)$/, () => "已停止"],
  [/^(\S+): reading every point, then (\d+) times the cheapest$/, ([device, n]) => `${device}：读取全部测点，再反复读取 ${n} 次`],
  [/^its time is over: give it more, or less to do$/, () => "时间已到：请延长时间，或缩小范围"],
  [/^its time is over and the gateway has not said how it ended: is the gateway online\?$/, () => "时间已到，网关没有回报结果：网关是否在线？"],
  [/^the line is down: (.*)$/, ([why]) => `总线不通：${why}`],
  [/^not sent: (.*)$/, ([why]) => `未发出：${why}`],
  [/^stale: it stands on .*$/, () => "依据已过时：网关运行的已是另一份配置，请重新核对后再下发"],
  [/^(\d+) problems?: mend and offer it again; nothing is changed$/, ([n]) => `${n} 处问题：修改后重新下发，现场没有改动`],
  [/^it is what runs already$/, () => "与正在运行的配置相同"],
  [/^not as well as before within (\S+) min: (.*)$/, ([minutes, why = ""]) => `${minutes} 分钟内没有恢复到原来的状态：${why.split("; ").map(worseText).join("；")}`],
  [/^the site file on the box was edited: it holds now$/, () => "现场配置文件已被修改，以它为准"],
  [/^it cannot be loaded any more: (.*)$/, ([why]) => `无法再加载：${why}`],
  [/^the process began (\d+) times while it was on trial, or its time was over$/, ([n]) => `试运行期间程序启动了 ${n} 次，或时间已到`],
  [/^belongs to the box and cannot change from afar: take it out$/, () => "属于现场设备，不能远程修改：请删去"],
  [/^(\S+): (\S+) \((.*)\) can be (any time|[\d.]+ s) late with one device dead, and the fire budget is (\S+) s(?:: (.*))?$/, ([line, device, points, late, budget, mend]) => `${line}：一台设备离线时，${device}（${points}）最多迟到 ${late === "any time" ? "任意时间" : late}，超过火警时限 ${budget} s${mend ? `。可以：${mend}` : ""}`],
  [/^not tested$/, () => "未测试"],
  [/^no answer$/, () => "无应答"],
  [/^no errors$/, () => "无错误"],
  [/^nobody has ever set it$/, () => "从未校准"],
  [/^(\d+) errors in (\d+) reads, (\d+) ms, worst (\d+) ms$/, ([errors, reads, usual, worst]) => `${reads} 次读取，${errors} 次错误；通常 ${usual} 毫秒，最长 ${worst} 毫秒`],
  [/^at most (\S+) errors$/, ([share]) => `错误不超过 ${share}`],
  [/^([\d.]+) s at worst, one device dead$/, ([s]) => `最坏 ${s} 秒（一台设备离线时）`],
  [/^no serial number is planned, and the device tells none$/, () => "未登记序列号，设备也不提供"],
  [/^the device tells none: compare with its plate$/, () => "设备不提供：请与铭牌核对"],
  [/^none is planned: write it into the site file$/, () => "未登记：请写入配置"],
  [/^another device hangs here$/, () => "接的是另一台设备"],
  [/^it has no name to tell$/, () => "设备不报型号"],
];

function worseText(part: string): string {
  const silent = /^(.*) no longer answers?$/.exec(part);
  if (silent) return `${names(silent[1] ?? "")} 不再应答`;
  const lost = /^(\S+): (.*) not good$/.exec(part);
  if (lost) return `${lost[1]}：${names(lost[2] ?? "")} 不正常`;
  const either = /^(.*) do(?:es)? no better with the configuration before: .*$/.exec(part);
  if (either) return `${names(either[1] ?? "")} 恢复原配置后仍不正常，请先检查现场，再重新下发`;
  return part === "the server was not reached" ? "没有连上服务器" : part;
}

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
