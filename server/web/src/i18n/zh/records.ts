/** The pages of records, in Chinese: every text that there is in English. */

import type { records as english } from "../en/records";

export const records: Record<keyof typeof english, string> = {
  "records.title": "门禁与车辆记录",
  "records.filters": "筛选记录",
  "records.list": "记录",
  "records.device": "设备",
  "records.alldevices": "全部设备",
  "records.loading": "正在读取记录",
  "records.failed": "记录读取失败。",
  "records.empty": "{from} 至 {to} 没有记录。",
  "records.emptyhelp": "请在上方选择更长的时间。",
  "records.emptynarrow": "其他位置、类别或设备可能有记录。",
  "records.more": "更早的记录",
  "records.news": "新增 {n} 条",
  "records.what": "内容",
  "records.seen": "时间",
  "records.at": "设备时间",
  "records.number": "编号",
  "records.detail": "说明",
  "records.late": "迟报",
  "records.latehelp": "发生 5 分钟以后才传到服务器，其间由设备或网关暂存。",
  "records.evidence": "凭据",
  "records.ofdevice": "记录",
  "records.none": "暂无记录。",
  "records.all": "此设备的全部记录",
};
