/** What becomes of configurations: why one is refused, taken back, or was never tried. */

import { list, type Rule } from "./rule";

export const CONFIGS: readonly Rule[] = [
  [/^configuration (\S+) is rolled back: (.*)$/, ([id, why = ""], again) => `配置 ${id} 已回退：${again(why)}`],
  [/^not as well as before within (\S+) min: (.*)$/, ([minutes, why = ""], again) => `${minutes} 分钟内未恢复到原有状态：${why.split("; ").map(again).join("；")}`],
  [/^([^:;]+) do(?:es)? no better with the configuration before: look there first, then offer this again$/, ([names = ""]) => `${list(names)} 用原配置也未恢复：请先查看现场，再重新下发`],
  [/^the server was not reached$/, () => "未连上服务器"],
  [/^([^:;]+) no longer answers?$/, ([names = ""]) => `${list(names)} 不再应答`],
  [/^([^:;]+) no longer listens?$/, ([names = ""]) => `${list(names).replace(/(^|、)line (?=\S)/g, "$1线路 ")} 不再监听`],
  [/^([a-z0-9][\w-]*): ([^:;]+) not good$/, ([device, names = ""]) => `${device}：${list(names)} 读数异常`],
  [/^and (\d+) more$/, ([n]) => `另有 ${n} 项`],
  [/^not heard since, and may be silent for longer: ([^:;]+)$/, ([names = ""]) => `之后未收到其消息，但允许更久不发：${list(names)}`],
  [/^the site file on the box was edited: it holds now$/, () => "现场配置文件已被修改，以它为准"],
  [/^it cannot be loaded any more: (.*)$/, ([why]) => `无法再加载：${why}`],
  [/^the process began (\d+) times while it was on trial, or its time was over$/, ([n]) => `试运行期间程序启动了 ${n} 次，或时间已到`],
  [/^the disk takes nothing, so that its starts cannot be counted$/, () => "磁盘无法写入，不能记录启动次数"],

  [/^stale: it stands on .*$/, () => "依据已过时：网关运行的已是另一份配置，请重新核对后再下发"],
  [/^(\d+) problems?: mend and offer it again; nothing is changed$/, ([n]) => `${n} 处问题：修改后重新下发，现场没有改动`],
  [/^a fault of our own: the log has the rest$/, () => "网关内部错误，详见网关日志"],
  [/^it is what runs already$/, () => "与正在运行的配置相同"],
  [/^it cannot be written down here: (.*)$/, ([why]) => `网关无法保存：${why}`],
  [/^(\S.*) cannot change while the gateway runs: nothing is changed; restart it instead$/, ([parts = ""]) => `运行中不能修改 ${list(parts)}：现场没有改动，请改为重启网关`],
  [/^the gateway is stopping: nothing is changed$/, () => "网关正在停止：现场没有改动"],
  [/^another configuration was taken up meanwhile: nothing is changed$/, () => "其间已换上另一份配置：现场没有改动"],
  [/^the site file on the box was edited meanwhile: nothing is changed$/, () => "其间现场配置文件已被修改：现场没有改动"],
  [/^the description of (\d+) devices takes (\d+) bytes, and a server takes (\d+): .*$/, ([n, bytes, most]) => `${n} 台设备的描述有 ${bytes} 字节，超过服务器上限 ${most}：请把线路分到两台网关`],
  [/^(.*); nothing is changed$/, ([why = ""], again) => `${again(why)}；现场没有改动`],
  [/^belongs to the box and cannot change from afar: take it out$/, () => "属于现场设备，不能远程修改：请删去"],
  [/^(\S+): (\S+) \((.*)\) can be (any time|[\d.]+ s) late with one device dead, and the fire budget is (\S+) s(?:: (.*))?$/, ([line, device, points, late, budget, mend]) => `${line}：一台设备离线时，${device}（${points}）最多迟到 ${late === "any time" ? "任意时间" : late}，超过火警时限 ${budget} s${mend ? `。可以：${mend}` : ""}`],
];
