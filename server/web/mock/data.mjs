// A seeded site for developing the pages: never shipped, never called data.

export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const KINDS = [
  ["fire", "zone_fire", "critical", "Fire alarm", "火警", "fire"],
  ["access", "door_forced", "critical", "Door forced open", "门被强行打开", "access"],
  ["lift", "trapped", "critical", "Person trapped in lift", "电梯困人", "lift"],
  ["access", "door_held", "high", "Door held open", "门未关好", "access"],
  ["water", "flood", "high", "Water in pump room", "泵房进水", "pump"],
  ["comms", "device_silent", "medium", "Device is silent", "设备失联", "meter"],
  ["equipment", "pump_tripped", "high", "Pump tripped", "水泵跳闸", "pump"],
  ["fire_fault", "panel_fault", "medium", "Fire panel fault", "消防主机故障", "fire"],
  ["env", "humidity_high", "low", "Humidity high", "湿度偏高", "env"],
  ["power", "voltage_low", "medium", "Voltage low", "电压偏低", "meter"],
  ["metering", "register_back", "low", "Register went backwards", "示数倒走", "meter"],
];

export const SITES = ["garden-mews", "lakeside"];
const GATEWAYS = ["gw-a", "gw-b"];
const PEOPLE = ["wang.li", "zhao.min", "j.smith"];

export function makeDevices(count) {
  const models = [
    ["meter", "Eastron", "SDM630"],
    ["meter", "Acrel", "ADL400"],
    ["access", "Gatehouse", "Door controller"],
    ["fire", "Generic", "Fire panel"],
    ["lift", "Generic", "Lift panel"],
    ["pump", "Generic", "Pump panel"],
    ["env", "Generic", "Climate sensor"],
  ];
  return Array.from({ length: count }, (_, i) => {
    const [cls, vendor, model] = models[i % models.length];
    const building = "ABCD"[Math.floor(i / 7) % 4];
    const floor = String(1 + (i % 12));
    return {
      q: i + 1,
      site: SITES[Math.floor(i / (count / 2)) % 2],
      id: `${cls}-${i + 1}`,
      gateway: GATEWAYS[i % 2],
      line: ["riser-a", "riser-b"][Math.floor(i / 2) % 2],
      unit: (i % 30) + 1,
      address: "",
      speaks: false,
      heard_within_s: null,
      name: cls === "meter" ? `Flat ${building}-${100 + i}` : `${model} ${i + 1}`,
      class: cls,
      vendor,
      model,
      building,
      floor,
      place: cls === "access" ? "Main entrance" : "riser",
      conn: i % 17 === 5 ? "offline" : i % 23 === 7 ? "unknown" : "online",
      lifecycle: "active",
      last_seen_at: new Date(Date.now() - 2000).toISOString(),
      silent_since: i % 17 === 5 ? new Date(Date.now() - 3_600_000).toISOString() : null,
      open_alarms: 0,
      worst: null,
      meter: cls === "meter" ? { metering_point: `MP-${building}-${100 + i}`, multiplier: i % 3 ? "1" : "30", reader: ["张三", "李四"][i % 2], serial: `SN${10_000 + i}` } : null,
      actions: cls === "access" ? [{ id: "release", label: "Release door", label_zh: "开门" }] : [],
    };
  });
}

export function makeAlarm(id, q, at, next, devices, fresh = false) {
  const weights = [0.004, 0.03, 0.01, 0.15, 0.05, 0.2, 0.08, 0.05, 0.2, 0.15, 0.076];
  let pick = next();
  let kind = 0;
  while (kind < weights.length - 1 && pick > weights[kind]) pick -= weights[kind++];
  const [cls, code, severity, label, labelZh, deviceClass] = KINDS[kind];
  const fit = devices.filter((device) => device.class === deviceClass);
  const device = fit[Math.floor(next() * fit.length)];
  const acked = !fresh && next() < 0.35;
  const normal = !fresh && next() < 0.3;
  return {
    id: String(id),
    q,
    key: `${device.site}|${device.id}|${code}|${id}`,
    site: device.site,
    gateway: device.gateway,
    building: device.building,
    floor: device.floor,
    place: device.place,
    device: device.id,
    device_name: device.name,
    part: cls === "fire" ? `1/${1 + Math.floor(next() * 4)}/${1 + Math.floor(next() * 200)}` : "",
    by_hand: false,
    code,
    class: cls,
    severity,
    label,
    label_zh: labelZh,
    condition: normal ? "normal" : "active",
    acked,
    latched: cls === "fire",
    state: normal ? (acked ? "latched" : "cleared") : acked ? "acked" : "new",
    occurred_at: null,
    raised_at: new Date(at).toISOString(),
    cleared_at: normal ? new Date(at + 60_000).toISOString() : null,
    acked_at: acked ? new Date(at + 30_000).toISOString() : null,
    acked_by: acked ? PEOPLE[Math.floor(next() * 3)] : null,
    closed_at: null,
    count: next() < 0.1 ? 2 + Math.floor(next() * 30) : 1,
    late: next() < 0.02,
    test: next() < 0.01,
    detail: "",
    evidence: "",
    suppressed_by: !fresh && next() < 0.01 ? "812" : null,
  };
}

export const points = (device, now) => {
  const at = (ms) => new Date(now - ms).toISOString();
  const base = { label_zh: "", kind: "gauge", billing: false, period_s: 10, clock: "synced", quality: "good" };
  if (device.class !== "meter") {
    return [
      { ...base, id: "state", label: "Running", label_zh: "运行", unit: "", kind: "state", value: true, at: at(1000), age_s: 1 },
      { ...base, id: "fault", label: "Fault", label_zh: "故障", unit: "", kind: "state", value: false, at: at(1000), age_s: 1 },
    ];
  }
  return [
    { ...base, id: "total", label: "Total active energy", label_zh: "正向有功总电能", unit: "kWh", kind: "register", billing: true, period_s: 60, value: "12345.67", at: at(9000), age_s: 9 },
    { ...base, id: "power", label: "Active power", label_zh: "有功功率", unit: "kW", value: "1.834", at: at(1000), age_s: 1 },
    { ...base, id: "voltage", label: "Voltage L1", label_zh: "A 相电压", unit: "V", value: "229.8", at: at(1_900_000), age_s: 1900 },
    { ...base, id: "current", label: "Current L1", label_zh: "A 相电流", unit: "A", value: null, quality: "bad.timeout", at: at(4000), age_s: 4 },
    { ...base, id: "freq", label: "Frequency", label_zh: "频率", unit: "Hz", value: null, quality: null, at: null, age_s: null, clock: null },
  ];
};

export function history(now) {
  const next = random(7);
  return Array.from({ length: 1200 }, (_, i) => {
    const t = now - 86_400_000 + i * 72_000;
    const hour = new Date(t).getHours() + new Date(t).getMinutes() / 60;
    const value = (8 + 7 * Math.sin(((hour - 9) / 24) * 2 * Math.PI) + next() * 2).toFixed(3);
    return i > 500 && i < 560 ? [t, null, "bad.timeout"] : [t, value, "good"];
  });
}

export function reads(devices, search, now) {
  const meters = devices.filter((device) => device.meter && ["site", "building"].every((name) => !search.get(name) || device[name] === search.get(name)));
  const month = search.get("month");
  const from = month ? new Date(`${month}-01T00:00:00+08:00`) : new Date(search.get("from"));
  const to = month ? new Date(new Date(from).setMonth(from.getMonth() + 1)) : new Date(search.get("to"));
  return meters.map((device, i) => {
    const basis = (at, value, seq) => ({ at: at.toISOString(), value, gateway: device.gateway, epoch: "e7f3a1", seq, index: i, raw: "4640e6b5", clock: "synced" });
    const missing = i % 11 === 4;
    const held = i % 13 === 6;
    const start = (8000 + i * 113.07).toFixed(2);
    const end = (8123 + i * 117.31).toFixed(2);
    const use = ((Math.round(Number(end) * 100) - Math.round(Number(start) * 100)) * Number(device.meter.multiplier)) / 100;
    return {
      site: device.site,
      building: device.building,
      meter: device.meter.metering_point,
      device: device.id,
      register: "total",
      label: "Total active energy",
      label_zh: "正向有功总电能",
      unit: "kWh",
      month,
      reader: device.meter.reader,
      from_at: from.toISOString(),
      to_at: to.toISOString(),
      start: { value: start, at: from.toISOString(), method: i % 4 ? "nearest" : "interpolated", basis: i % 4 ? [basis(from, start, 18)] : [basis(from, start, 18), basis(new Date(from.getTime() + 6e4), start, 19)] },
      end: missing ? { value: null, at: null, method: "missing", basis: [] } : { value: end, at: to.toISOString(), method: "nearest", basis: [basis(to, end, 918223)] },
      consumption: missing || held ? null : use.toFixed(2),
      multiplier: device.meter.multiplier,
      quality: missing ? "missing" : i % 4 ? "exact" : "interpolated",
      state: missing ? "missing" : held ? "held" : now > to ? "ready" : "provisional",
      why: missing ? "no reading within 6 h of the boundary" : held ? "the register went backwards" : "",
    };
  });
}

export const passes = (devices, now) =>
  devices
    .filter((device) => device.class === "access")
    .slice(0, 8)
    .map((device, i) => {
      const seen = new Date(now - i * 190_000).toISOString();
      const { site, gateway, building, floor, place } = device;
      const car = i % 3 === 2;
      return {
        id: String(900 - i), site, gateway, building, floor, place, device: device.id, device_name: device.name, part: i % 2 ? "reader 2" : "", number: String(40211 + i),
        code: car ? "vehicle_in" : "granted", class: car ? "vehicle" : "access_card", label: car ? "Car in" : "Door opened", label_zh: car ? "车辆驶入" : "刷卡开门",
        detail: car ? "沪A12345" : `card 00${12345678 + i}`, evidence: "", at: i % 4 ? seen : null, seen_at: seen, stored_at: seen, late: i === 5,
      };
    });
