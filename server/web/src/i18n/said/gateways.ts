/** Why gateways and devices are as they are: connections, journals, clocks. */

import type { Rule } from "./rule";

export const GATEWAYS: readonly Rule[] = [
  [/^good sample$/, () => "收到正常读数"],
  [/^no good sample for (\d+) s$/, ([seconds]) => `${seconds} 秒无正常读数`],
  [/^its gateway is silent$/, () => "网关失联"],
  [/^its gateway gets no answer$/, () => "网关未收到应答"],
  [/^its gateway hears it$/, () => "网关收到其消息"],
  [/^it answers again$/, () => "恢复应答"],
  [/^it answers its gateway again$/, () => "网关重新收到应答"],
  [/^no heartbeat for (\d+) s$/, ([seconds]) => `${seconds} 秒无心跳`],
  [/^(?:connection lost|last will)$/, () => "连接中断"],
  [/^stopped$/, () => "已停止"],
  [/^gateway (\S+) is back$/, ([name]) => `网关 ${name} 已恢复`],
  [/^gateway (\S+): (.*)$/, ([name, why = ""], again) => `网关 ${name}：${again(why)}`],
  [/^birth of (\S+)$/, ([name]) => `网关 ${name} 上报`],
  [/^birth of (\S+) no longer names it$/, ([name]) => `网关 ${name} 不再上报此设备`],
  [/^before this database$/, () => "早于本数据库"],
  [/^the journal was full$/, () => "网关存储已满"],
  [/^the disk was nearly full$/, () => "网关磁盘将满"],

  [/^the device was taken out of the configuration$/, () => "设备已从配置中移除"],
  [/^no longer in the profile$/, () => "设备型号配置中已无此项"],
  [/^it stands at the gateway, and its beginning is not in this database$/, () => "网关上报警仍在，本数据库中没有其开始记录"],
  [/^read as normal again: its end was lost with the journal that had its beginning$/, () => "已读到恢复正常：结束记录随网关存储丢失"],
  [/^the clock is not set: times of this gateway are not to be trusted$/, () => "网关时钟未设置，其时间不可信"],
  [/^(\d+) s (behind|ahead of) the server's$/, ([seconds, way]) => `比服务器${way === "behind" ? "慢" : "快"} ${seconds} 秒`],
  [/^the disk takes nothing$/, () => "磁盘无法写入"],
  [/^journal_\w+: (.*)$/, ([why = ""], again) => again(why)],
  [/^the (\w+) lane holds (\d+) bytes and has no room for (\d+) more( and the disk is nearly full)?: .*$/, ([lane = "", held, more, low]) => `${LANES[lane] ?? lane}存储已用 ${held} 字节，容不下另外 ${more} 字节${low ? "，磁盘将满" : ""}：请恢复与服务器的连接，或调大网关存储上限`],
  [/^the journal could not be read: it is kept as (\S+), and a new epoch has begun$/, ([name]) => `网关存储无法读取，已另存为 ${name}，并重新开始`],
  [/^(.*): what it kept is sent again under a new epoch$/, () => "网关存储由旧副本恢复，所存内容将重新上送"],

  [/^its gateway has now said what it is: a record \((\d+) times\)$/, ([times]) => `网关已说明：属于记录，不是报警（${times} 次）`],
  [/^its gateway has now said what it is: .*$/, () => "网关已说明类别与级别"],
];

const LANES: Readonly<Record<string, string>> = { alarm: "报警", billing: "计量", telemetry: "遥测" };
