/** Why something is so, in the page's language. The server's words are English; those known are said again. */

import type { Language } from "./text";

type Rule = [pattern: RegExp, say: (parts: string[]) => string];

const RULES: readonly Rule[] = [
  [/^good sample$/, () => "收到正常读数"],
  [/^no good sample for (\d+) s$/, ([seconds]) => `${seconds} 秒无正常读数`],
  [/^its gateway gets no answer$/, () => "网关未收到应答"],
  [/^its gateway hears it$/, () => "网关收到其消息"],
  [/^it answers again$/, () => "恢复应答"],
  [/^it answers its gateway again$/, () => "网关重新收到应答"],
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
  [/^its time is over and the gateway has not answered: look at the device$/, () => "已过时限，网关没有答复，请查看现场"],
  [/^it expired while the line was busy$/, () => "总线繁忙，指令已过期"],
  [/^it expired at \S+$/, () => "指令已过期"],
  [/^it expires too far ahead: check the clocks of server and gateway$/, () => "有效期过远，请检查服务器与网关的时钟"],
  [/^the device took it and offers nothing to read back$/, () => "设备已接受，无法回读"],
  [/^the device took it, but the read-back failed: (.*)$/, ([why]) => `设备已接受，回读失败：${why}`],
  [/^not confirmed within (\d+(?:\.\d+)?) s: (.*)$/, ([seconds, why = ""]) => `${seconds} 秒内未确认：${causeText("zh", why)}`],
  [/^another command was given to the device before this one showed$/, () => "结果尚未显示，设备又收到另一指令"],
  [/^its line ended or was set up anew before it was sent$/, () => "总线已停止或重新配置，指令未下发"],
  [/^its line ended or was set up anew before it was read back; it may have been carried out$/, () => "总线已停止或重新配置，尚未回读，可能已执行"],
  [/^the device refuses: (.*)$/, ([why]) => `设备拒绝：${why}`],
  [/^(?:.*; )?afterwards (.*)$/, ([shown]) => `执行后读到 ${shown}`],
  [/^the gateway is stopping$/, () => "网关正在停止"],
  [/^the gateway's clock is not set, .*$/, () => "网关时钟未设置，无法判断指令是否过期"],
  [/^the gateway stopped while it ran; it may have been carried out$/, () => "执行期间网关停止，可能已执行"],
  [/^(\d+) commands are already waiting: try again later$/, ([n]) => `已有 ${n} 条指令在等待，请稍后再试`],
];

export function causeText(language: Language, why: string): string {
  if (language !== "zh") return why;
  for (const [pattern, say] of RULES) {
    const found = pattern.exec(why);
    if (found) return say(found.slice(1));
  }
  return why;
}
