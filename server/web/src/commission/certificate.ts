/** A certificate as a file: the document that the gateway signed, and a page of it to print. Pure. */

import type { Job, JobRow } from "../api/types";

type Doc = Record<string, unknown>;

/** What was signed: the head from the result, the devices from the rows; null where something is missing. */
export function documentOf(job: Job, rows: readonly JobRow[]): Doc | null {
  const head = job.result?.head;
  if (typeof head !== "object" || head === null || job.dropped > 0 || rows.length !== job.rows) return null;
  // The number of a row is the server's: it was not there when the gateway signed.
  const devices = [...rows].sort((a, b) => a.n - b.n).map(({ n: _n, ...device }) => device);
  return { ...(head as Doc), devices };
}

const WORDS: Record<string, string> = {
  found: "Found 设备在线",
  points: "Points 数据点",
  reads: "Round trips 通信质量",
  serial: "Serial number 序列号",
  latency: "Worst case 最坏延迟",
  clock: "Clock 时钟",
  cable: "Pulled cable 断线测试",
};
const STYLE =
  'body{font:14px/1.4 "Segoe UI",system-ui,"Noto Sans","PingFang SC","Microsoft YaHei",sans-serif;color:#1b2024;background:#fff;margin:24px auto;max-width:960px;padding:0 16px}h1{font-size:18px}h2{font-size:16px;margin:24px 0 4px}table{border-collapse:collapse;width:100%;margin:8px 0}th,td{border:1px solid #c3c9ce;padding:4px 8px;text-align:left;vertical-align:top;overflow-wrap:anywhere}.sign{margin-top:48px}code{font-size:12px;overflow-wrap:anywhere}@media print{body{margin:0}section{break-inside:avoid}}';

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const safe = (value: unknown): string => String(value ?? "").slice(0, 2000).replace(/[&<>"']/g, (sign) => ESCAPES[sign] ?? "");
const verdict = (passed: unknown): string => (passed === true ? "passed 合格" : passed === false ? "<strong>FAILED 不合格</strong>" : "to be looked at 待人工确认");

function checks(list: unknown): string {
  const rows = (Array.isArray(list) ? (list as Doc[]) : []).map(
    (one) => `<tr><td>${safe(WORDS[String(one.check)] ?? one.check)}</td><td>${verdict(one.pass)}</td><td>${safe(one.planned)}</td><td>${safe(one.found)}</td><td>${safe(one.why)}</td></tr>`,
  );
  return `<table><tr><th>Check 检查项</th><th>Result 结果</th><th>Planned 计划</th><th>Found 实测</th><th>Remark 说明</th></tr>${rows.join("")}</table>`;
}

function device(one: Doc): string {
  const name = ["device", "name", "profile", "metering_point"].map((key) => one[key]).filter(Boolean).join(" · ");
  return `<section><h2>${safe(name)}: ${verdict(one.pass)}</h2>${checks(one.checks)}</section>`;
}

/** One page in both languages that needs nothing else and runs nothing. */
export function pageOf(document: Doc): string {
  const facts: [string, unknown][] = [
    ["Site 项目", document.site],
    ["Gateway 网关", document.gateway],
    ["Line 总线", [document.line, document.endpoint, document.settings].filter(Boolean).join(" ")],
    ["Configuration 配置", document.config],
    ["Engineer 工程师", document.engineer],
    ["Time 时间 (UTC)", document.at],
    ["Utilisation 总线占用率", document.utilisation],
    ["Note 备注", document.note],
  ];
  const title = safe(`Commissioning certificate 调试验收证书: ${document.site} / ${document.line}`);
  const devices = Array.isArray(document.devices) ? (document.devices as Doc[]) : [];
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>${title}</title><style>${STYLE}</style></head><body><h1>${title}</h1><p>${verdict(document.pass)}</p>`,
    `<table>${facts.map(([name, value]) => `<tr><th>${name}</th><td>${safe(value)}</td></tr>`).join("")}</table>`,
    `<section><h2>Line and gateway 总线与网关</h2>${checks([document.clock, document.cable].filter(Boolean))}</section>`,
    devices.map(device).join(""),
    `<p><code>${safe(document.digest)}<br>${safe(document.signature)}<br>key ${safe(document.key)}</code></p>`,
    '<p class="sign">Engineer 工程师 ____________________ &nbsp; Customer 业主 ____________________</p></body></html>\n',
  ].join("\n");
}
