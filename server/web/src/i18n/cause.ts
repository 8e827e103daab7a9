/** Why something is so, in the page's language. The server's words are English; those known are said again. */

import type { Language } from "./text";

type Rule = [pattern: RegExp, say: (parts: string[]) => string];

const RULES: readonly Rule[] = [
  [/^good sample$/, () => "收到正常读数"],
  [/^no good sample for (\d+) s$/, ([seconds]) => `${seconds} 秒无正常读数`],
  [/^its gateway gets no answer$/, () => "网关未收到应答"],
  [/^no heartbeat for (\d+) s$/, ([seconds]) => `${seconds} 秒无心跳`],
  [/^(?:connection lost|last will)$/, () => "连接中断"],
  [/^stopped$/, () => "已停止"],
  [/^gateway (\S+) is back$/, ([name]) => `网关 ${name} 已恢复`],
  [/^gateway (\S+): (.*)$/, ([name, why = ""]) => `网关 ${name}：${causeText("zh", why)}`],
  [/^birth of (\S+)$/, ([name]) => `网关 ${name} 上报`],
  [/^birth of (\S+) no longer names it$/, ([name]) => `网关 ${name} 不再上报此设备`],
  [/^before this database$/, () => "早于本数据库"],
  [/^the journal was full$/, () => "网关存储已满"],
  [/^the disk was nearly full$/, () => "网关磁盘将满"],
];

export function causeText(language: Language, why: string): string {
  if (language !== "zh") return why;
  for (const [pattern, say] of RULES) {
    const found = pattern.exec(why);
    if (found) return say(found.slice(1));
  }
  return why;
}
