/** Unit ids and line settings of a scan, and how long it will take: pure. */

const UNITS = /^[0-9]{1,3}(-[0-9]{1,3})?(,[0-9]{1,3}(-[0-9]{1,3})?){0,40}$/;

/** The ids that `1-32,40` means, each once, in order; null for what is no such list. */
export function unitsOf(text: string): number[] | null {
  const plain = text.replace(/\s+/g, "");
  if (!UNITS.test(plain)) return null;
  const found = new Set<number>();
  for (const part of plain.split(",")) {
    const [first = "", last = first] = part.split("-");
    const [low, high] = [Number(first), Number(last)];
    if (high < low || high > 255) return null;
    for (let unit = low; unit <= high; unit += 1) found.add(unit);
  }
  return [...found];
}

export const BAUDS = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200] as const;
export const PARITIES = ["N", "E", "O"] as const;

export interface Speech {
  name: string;
  shown: string;
  /** Whom a first scan asks, and how long such a device thinks: of meters a unit stands for many addresses. */
  units: string;
  timeoutMs: number;
}

/** Protocols in which a line can be scanned, as drivers are called. */
export const SPEECHES: readonly Speech[] = [
  { name: "modbus", shown: "Modbus", units: "1-32", timeoutMs: 200 },
  { name: "dlt645", shown: "DL/T 645", units: "1-100", timeoutMs: 1000 },
  { name: "cjt188", shown: "CJ/T 188", units: "16,17,32,48,170", timeoutMs: 1000 },
  { name: "mbus", shown: "M-Bus", units: "253", timeoutMs: 1000 },
  { name: "iec62056-21", shown: "IEC 62056-21", units: "0", timeoutMs: 2000 },
  { name: "osdp", shown: "OSDP", units: "0-126", timeoutMs: 200 },
];

export interface ScanPlan {
  units: number;
  settings: number;
  timeoutMs: number;
  perSecond: number;
}

/** Seconds that it takes if nobody answers. */
export const longestScan = ({ units, settings, timeoutMs, perSecond }: ScanPlan): number => units * settings * Math.max(timeoutMs / 1000, 1 / perSecond);

const IDENTIFY_REQUESTS = 40;
const LONGEST_JOB_S = 4 * 3600;

/** How long the job may live: to the end, also where every unit answers and is looked at closely. */
export function lifeOf(plan: ScanPlan): number {
  const closely = plan.units * IDENTIFY_REQUESTS * (plan.timeoutMs / 1000);
  return Math.min(LONGEST_JOB_S, Math.ceil(2 * longestScan(plan) + closely + 60));
}

/** Whether a line has a baud rate: a serial port does, a TCP address does not. */
export const isSerial = (endpoint: string): boolean => endpoint.startsWith("/") || /^COM\d/i.test(endpoint);
