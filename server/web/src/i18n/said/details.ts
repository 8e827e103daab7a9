/** What devices tell beside an alarm or a record, in the words that the gateway's drivers put it. */

import { cidText, siaText } from "./codes";
import { type Rule, VALUES } from "./rule";

/** Whole texts, or texts with a head and parts. */
export const DETAILS: readonly Rule[] = [
  [/^with (.*?): (.*)$/, ([part, why = ""], again) => `随 ${part} 结束${why ? `：${again(why)}` : ""}`],
  [/^with (.*?):$/, ([part]) => `随 ${part} 结束`],
  [/^seen (\d{4}-\d\d-\d\dT[^\s,]+), by its own clock (\S+)(?: (.*))?$/, ([at, own, why], again) => `网关于 ${at} 见到，设备时钟为 ${own}${why ? `：${again(why)}` : ""}`],
  [/^seen (\d{4}-\d\d-\d\dT\S+)$/, ([at]) => `网关于 ${at} 见到`],
  [/^seen (\d{4}-\d\d-\d\dT\S+) (.*)$/, ([at, why = ""], again) => `网关于 ${at} 见到：${again(why)}`],

  // SIA DC-09
  [/^([A-Z]{2}) ([^:;]+?)(, told late)?(?:: (.*))?$/, ([code = "", said = "", late, rest = ""], again) => {
    const name = siaText(code, said);
    return name && `${code} ${name}${late ? "（补报）" : ""}${rest ? `：${again(rest)}` : ""}`;
  }],
  [/^([A-Z]{2}) ([^:;]+?)(, told late)?; (.*)$/, ([code = "", said = "", late, rest = ""], again) => {
    const name = siaText(code, said);
    return name && `${code} ${name}${late ? "（补报）" : ""}；${again(rest)}`;
  }],
  [/^([ERP\d])(\d{3}) ([^:;]+): partition (\w+), zone or user (\w+)(?:; (.*))?$/, ([letter, code = "", said = "", partition, zone, tail = ""], again) => {
    const name = cidText(code, said);
    return name && `${letter}${code} ${name}${letter === "R" ? "（恢复）" : ""}：分区 ${partition}，防区或用户 ${zone}${tail ? `；${again(tail)}` : ""}`;
  }],
  [/^not to be read as SIA events: (.*)$/, ([raw]) => `无法按 SIA 事件解读：${raw}`],
  [/^not to be read as Contact ID: (.*)$/, ([raw]) => `无法按 Contact ID 解读：${raw}`],
  [/^(\S+) is not spoken here: (.*)$/, ([token, raw]) => `不支持的报文 ${token}：${raw}`],
  [/^\*?[\w-]+ \d{4}: cannot be decrypted$/, () => "报文无法解密：请核对密钥"],
  [/^\*?[\w-]+ \d{4}: not encrypted, and the account has a key$/, () => "报文未加密，而此账户配有密钥"],

  // GB/T 26875.3: the panel's own words are Chinese; ours beside them are left out.
  [/^no answer within (\d+) min \(查岗无应答\)$/, ([minutes]) => `${minutes} 分钟内查岗无应答`],
  [/^data unit of type (\d+) with (\d+) bytes: .*$/, ([type, bytes]) => `无法解读的数据单元：类型 ${type}，${bytes} 字节`],
  [/^(.*[\u4e00-\u9fff].*): ([\u4e00-\u9fff]+) [a-z_]+( 0x[0-9A-F]{4})?(?:; operator (\S+))?$/, ([head = "", word, state = "", operator]) => `${head.replace("用户信息传输装置 transmission device", "用户信息传输装置")}：${word}${state}${operator ? `；操作员 ${operator}` : ""}`],

  // DL/T 645
  [/^number (\d+) in the meter's log$/, ([n]) => `电表记录第 ${n} 条`],
  [/^number (\d+) in the meter's log, ended (\S+ \S+) by the meter's clock$/, ([n, at]) => `电表记录第 ${n} 条，结束于 ${at}（电表时钟）`],

  // A point and its value
  [/^([a-z][a-z0-9_]*) = (true|false|unknown)$/, ([point, value = ""]) => `${point} = ${VALUES[value]}`],
];

/** What one part of a text says, between commas or semicolons. */
export const PARTS: readonly Rule[] = [
  [/^plate (.*)$/, ([what = ""]) => `车牌${secret(what)}`],
  [/^card (.*)$/, ([what = ""]) => `卡号${secret(what)}`],
  [/^person (.*)$/, ([what = ""]) => `人员${secret(what)}`],
  [/^credential ([0-9a-f]{16})$/, ([hash]) => `凭证 ${hash}`],
  [/^facility (\d+)$/, ([n]) => `区码 ${n}`],
  [/^data ([0-9A-Fa-f]+)$/, ([hex]) => `数据 ${hex}`],
  [/^(\d+) bits$/, ([n]) => `${n} 位`],
  [/^(\d+) characters$/, ([n]) => `${n} 个字符`],
  [/^(\d+) keys?$/, ([n]) => `${n} 个按键`],
  [/^(\d+) bytes of (?:maker )?(\S+)$/, ([n, what]) => `${what} 数据 ${n} 字节`],
  [/^the device's clock is (\d+) s ahead$/, ([s]) => `设备时钟快 ${s} 秒`],
  [/^the panel's clock is (\d+) s (ahead|behind)$/, ([s, way]) => `主机时钟${way === "ahead" ? "快" : "慢"} ${s} 秒`],
  [/^the time stamp cannot be read$/, () => "时间戳无法读取"],
  [/^told (\d+) s later$/, ([s]) => `${s} 秒后补报`],
  [/^area (\w+)$/, ([n]) => `分区 ${n}`],
  [/^number (\w+)( '.*')?$/, ([n, said = ""]) => `编号 ${n}${said}`],
  [/^partition (\w+)$/, ([n]) => `分区 ${n}`],
  [/^(text|location|building|room|site|trigger|verification|longitude|latitude|altitude) (.*)$/, ([name = "", what]) => `${BLOCKS[name]} ${what}`],
  // What the shipped profiles of push panels tell beside it.
  [/^(angle|confidence|direction|list|opened|reader|reason|score|vehicle) (.*)$/, ([name = "", what = ""]) => `${FIELDS[name]} ${what}`],
];

const BLOCKS: Readonly<Record<string, string>> = { text: "文字", location: "位置", building: "楼栋", room: "房间", site: "项目", trigger: "触发", verification: "复核", longitude: "经度", latitude: "纬度", altitude: "海拔" };
const FIELDS: Readonly<Record<string, string>> = { angle: "角度", confidence: "置信度", direction: "方向", list: "名单", opened: "开启", reader: "读卡器", reason: "原因", score: "评分", vehicle: "车辆" };

function secret(what: string): string {
  const size = /^(\d+) characters$/.exec(what);
  return size ? `（${size[1]} 个字符）` : ` ${what.replace(/^credential (?=[0-9a-f]{16}$)/, "凭证 ")}`;
}
