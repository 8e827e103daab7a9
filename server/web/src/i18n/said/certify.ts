/** What a certificate says of a line, its devices and its cable. */

import { list, type Rule } from "./rule";

const ERRORS: Readonly<Record<string, string>> = {
  "line down (look at its cable, adapter or host)": "线路中断（请查线缆、转换器或主机）",
  "no answer": "无应答",
  "damaged answer (look at termination, shield, a second device of that address)": "应答损坏（请查终端电阻、屏蔽层及是否有同地址设备）",
  refused: "设备拒绝",
};
const QUALITIES: Readonly<Record<string, string>> = { bad: "无效", stale: "过期", device: "设备无值" };

/** "3 × no answer, 1 × refused": how often each kind of error was met. */
function errors(text: string): string | null {
  const parts = text.split(/, (?=\d+ × )/).map((part) => /^(\d+) × (.+)$/.exec(part));
  if (parts.some((part) => part === null)) return null;
  return parts.map((part) => `${ERRORS[part?.[2] ?? ""] ?? part?.[2]} ${part?.[1]} 次`).join("、");
}

/** "kwh stale, hz is not connected or not fitted": why points are not good. */
function points(text: string): string | null {
  const parts = text.split(", ").map((part) => /^(\S+) (?:is (not connected or not fitted)|(bad|stale|device))$/.exec(part));
  if (parts.some((part) => part === null)) return null;
  return parts.map((part) => `${part?.[1]} ${part?.[2] ? "未接或未装" : QUALITIES[part?.[3] ?? ""]}`).join("、");
}

export const CERTIFICATES: readonly Rule[] = [
  [/^line (\S+) has no device to certify: .*$/, ([line]) => `线路 ${line} 没有可验收的设备：请先写入配置`],
  [/^(\S+): reading every point, then (\d+) times the cheapest$/, ([device, n]) => `${device}：读取全部测点，再反复读取 ${n} 次`],
  [/^nobody has ever set it(: .*)?$/, ([how]) => (how ? "从未校准：请启动对时服务" : "从未校准")],
  [/^plausible, but nothing keeps it right now: .*$/, () => "时间可信，但目前没有对时：请检查对时服务"],
  [/^it has no name to tell$/, () => "设备不报型号"],
  [/^(\d+ × .*?)(?:; (\d+ of .*))?$/, ([text = "", slow], again) => {
    const said = errors(text);
    return said && (slow ? `${said}；${again(slow)}` : said);
  }],
  [/^(\d+) of (\d+) reads in (\d+) s: a slow device is not asked for longer$/, ([asked, wanted, s]) => `${s} 秒内读取 ${asked} 次（计划 ${wanted} 次）：设备较慢，不再多问`],
  [/^(\S+ (?:is not connected or not fitted|bad|stale|device)(?:, .*)?)$/, ([text = ""]) => points(text)],
  [/^(\d+) errors in (\d+) reads(?:, (\d+) ms, worst (\d+) ms)?$/, ([n, reads, usual, worst]) => `${reads} 次读取，${n} 次错误${usual ? `；通常 ${usual} 毫秒，最长 ${worst} 毫秒` : ""}`],
  [/^at most (\S+) errors$/, ([share]) => `错误不超过 ${share}`],
  [/^is its address: compare its plate with what is planned$/, () => "这是其地址：请核对铭牌与计划"],
  [/^no serial number is planned, and the device tells none$/, () => "未登记序列号，设备也不提供"],
  [/^the device tells none: compare with its plate$/, () => "设备不提供：请与铭牌核对"],
  [/^none is planned: write it into the site file$/, () => "未登记：请写入配置"],
  [/^another device hangs here$/, () => "接的是另一台设备"],
  [/^(?:(\w+) )?([\d.]+) s at worst, one device dead$/, ([, s]) => `最坏 ${s} 秒（一台设备离线时）`],
  [/^fire within (\S+) s$/, ([s]) => `火警不超过 ${s} 秒`],
  [/^`gatehouse-gateway plan` says what to change$/, () => "如何修改：见 `gatehouse-gateway plan`"],
  [/^the line has too much to do$/, () => "线路任务过多"],
  [/^nothing is polled$/, () => "没有轮询项"],
  [/^no gateway runs here(, so nothing is kept)?: start it, and certify beside it$/, ([kept]) => `网关没有运行${kept ? "，什么也没有保存" : ""}：请启动网关后再验收`],

  [/^not tested$/, () => "未测试"],
  [/^there is no broker to begin with: mend the uplink first$/, () => "尚未连上消息服务器：请先修复上行连接"],
  [/^the uplink does not let go within (\d+) s$/, ([s]) => `${s} 秒内上行连接没有断开`],
  [/^nobody pulled the cable within (\d+) s$/, ([s]) => `${s} 秒内没有拔线`],
  [/^the broker was not reached again within (\d+) s$/, ([s]) => `${s} 秒内没有重新连上`],
  [/^the server has not stored everything within (\d+) s(?:: look at it)?$/, ([s]) => `${s} 秒内服务器没有全部保存`],
  [/^the journal began a new epoch meanwhile: (?:look at its disk, and )?test again$/, () => "其间网关存储重新开始：请查看磁盘后重新测试"],
  [/^the journal dropped batches of the lane (\w+): .*$/, () => "网关存储丢弃了数据：容量过小，或磁盘已满"],
  [/^the server refused (\d+) items: look into its quarantine$/, ([n]) => `服务器拒收 ${n} 项：请查看隔离区`],
  [/^nothing was read while the cable was out: .*$/, () => "断线期间没有读数：请加快轮询，或延长断线时间"],

  [/^signals: nobody certified here says (\S+); there are (.*)$/, ([code, has = ""]) => `没有设备会发 ${code}，可选：${has === "none" ? "无" : list(has)}`],
  [/^waiting to hear ([^:;]+)$/, ([names = ""]) => `等待 ${list(names)} 的消息`],
  [/^in the journal; the server cannot be reached now: mend the uplink, and test again$/, () => "已存入网关，但现在连不上服务器：请修复上行连接后重新测试"],
  [/^the server has stored every alarm through (\d+)$/, ([n]) => `服务器已保存全部报警，至第 ${n} 批`],
  [/^look at its address, its receiver's address and port, the firewall; `trace` shows who speaks$/, () => "请查其地址、接收方地址与端口、防火墙；`trace` 可见谁在发送"],
  [/^not said within (\d+) s: wiring, zone, programming of the panel$/, ([s]) => `${s} 秒内没有发出：请查接线、防区与主机编程`],
  [/^nothing was said within (\d+) s: press the test button$/, ([s]) => `${s} 秒内没有消息：请按测试按钮`],
  [/^were not to be triggered: (.*)$/, ([codes = ""]) => `不需触发：${list(codes)}`],
  [/^skipped: (.*)$/, ([why]) => `已跳过：${why}`],
  [/^it gave no time of its own$/, () => "设备没有给出时间"],
  [/^set it: its times are shown beside ours$/, () => "请校准：其时间与我们的时间并列显示"],
  [/^the journal did not take everything: look at its disk; the device says it again$/, () => "网关存储未能全部接收：请查看磁盘，设备会重发"],
  [/^its result is too large to be told$/, () => "结果过大，无法上送"],
];
