import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import type { Role } from "../api/types";
import { useI18n } from "../i18n";
import { LinkState } from "../shell/link";
import { useSignal } from "../store/signal";
import { alarms, devices, gateways, loading, reload } from "../store/stores";
import { MEDIUM, useMedia, useStore } from "../ui/hooks";
import { Failure, Mark, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { SoundControl } from "../ui/sound";
import { DeviceView } from "./device";
import { GatewayView } from "./gateway";
import { alarmsByDevice, build, flat, type Node, pruned, selectionOf } from "./tree";

const OPEN_AT_FIRST = 60;

function Name({ node }: { node: Node }) {
  const { t, place } = useI18n();
  if (node.kind === "gateway") return <>{t("devices.gateway", { name: node.name })}</>;
  if (node.kind === "line") return <>{t("devices.line", { name: node.name })}</>;
  if (node.kind === "building" && node.name) return <>{place({ site: "", building: node.name, floor: "", place: "" })}</>;
  return <>{node.name || t("devices.nobuilding")}</>;
}

function Facts({ node }: { node: Node }) {
  const { t } = useI18n();
  const conn = node.device?.conn;
  return (
    <span className="tree-facts">
      {node.kind === "device" && conn && conn !== "online" && <span className={`conn conn-${conn}`}>{t(`conn.${conn}`)}</span>}
      {node.kind !== "device" && node.offline > 0 && <span className="conn conn-offline">{t("devices.offlinecount", { n: node.offline })}</span>}
      {node.worst && (
        <span className="tree-alarms">
          <Mark severity={node.worst} style={node.waiting > 0 ? "fill" : "outline"} />
          <span className="hidden">{t(`sev.${node.worst}`)}. </span>
          {node.alarms}
        </span>
      )}
    </span>
  );
}

interface TreeProps {
  rows: Node[];
  isOpen: (node: Node) => boolean;
  selected: string | null;
  onToggle: (node: Node, open: boolean) => void;
  onPick: (node: Node) => void;
}

/** A tree view: one tab stop, arrows move, right opens, left closes or goes up, Enter chooses. */
function Tree({ rows, isOpen, selected, onToggle, onPick }: TreeProps) {
  const { t } = useI18n();
  const chosen = rows.findIndex((node) => selectionOf(node) === selected && selected !== null);
  const [focused, setFocused] = useState<string | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const found = rows.findIndex((node) => node.id === focused);
  const at = found >= 0 ? found : Math.max(0, chosen);

  const focus = (index: number) => {
    const node = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (!node) return;
    setFocused(node.id);
    box.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(node.id)}"]`)?.focus();
  };
  const pressed = (event: KeyboardEvent) => {
    const node = rows[at];
    if (!node || event.ctrlKey || event.altKey || event.metaKey) return;
    const open = isOpen(node);
    const moves: Record<string, () => void> = {
      ArrowDown: () => focus(at + 1),
      ArrowUp: () => focus(at - 1),
      Home: () => focus(0),
      End: () => focus(rows.length - 1),
      ArrowRight: () => (node.children.length > 0 && !open ? onToggle(node, true) : focus(at + 1)),
      ArrowLeft: () => (node.children.length > 0 && open ? onToggle(node, false) : focus(rows.findLastIndex((one, index) => index < at && one.level < node.level))),
      Enter: () => onPick(node),
      " ": () => onPick(node),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  };
  return (
    <div ref={box} role="tree" className="tree" aria-label={t("devices.tree")} onKeyDown={pressed}>
      {rows.map((node, index) => (
        <div
          key={node.id}
          data-node={node.id}
          role="treeitem"
          aria-level={node.level}
          aria-expanded={node.children.length > 0 ? isOpen(node) : undefined}
          aria-selected={index === chosen}
          tabIndex={index === at ? 0 : -1}
          className={`tree-row tree-${node.kind} level-${node.level}`}
          onFocus={() => setFocused(node.id)}
          onClick={() => onPick(node)}
        >
          <span className="tree-arrow" aria-hidden="true">
            {node.children.length > 0 ? (isOpen(node) ? "▾" : "▸") : ""}
          </span>
          <span className="tree-name">
            <Name node={node} />
          </span>
          <Facts node={node} />
        </div>
      ))}
    </div>
  );
}

function selectionIn(search: URLSearchParams): string | null {
  const device = search.get("device");
  if (device) return `device:${device}`;
  const gateway = search.get("gateway");
  return gateway ? `gateway:${gateway}` : null;
}

export function DevicesPage({ role }: { role: Role }) {
  const { t } = useI18n();
  const [search, change] = useSearch();
  const phase = useSignal(loading);
  const versions = [useStore(devices), useStore(gateways), useStore(alarms)];
  const medium = useMedia(MEDIUM);
  const [closed, setClosed] = useState<ReadonlyMap<string, boolean>>(new Map());
  const text = search.get("q") ?? "";
  const trouble = search.get("trouble") === "1";
  const selected = selectionIn(search);

  const tree = useMemo(() => build(devices.all(), gateways.all(), alarmsByDevice(alarms.all().filter((alarm) => !alarm.suppressed_by))), versions);
  const shown = useMemo(() => pruned(tree, text, trouble), [tree, text, trouble]);
  const few = devices.size <= OPEN_AT_FIRST;
  const searching = text !== "" || trouble;
  const isOpen = (node: Node) => closed.get(node.id) ?? (searching || few || node.level < 3);
  const rows = flat(shown, isOpen);

  const toggle = (node: Node, open: boolean) => setClosed((old) => new Map(old).set(node.id, open));
  const pick = (node: Node) => {
    const wanted = selectionOf(node);
    if (node.device) change({ device: `${node.device.site}/${node.device.id}`, gateway: null, point: null });
    else if (wanted && node.gateway && selected !== wanted) change({ gateway: `${node.gateway.site}/${node.gateway.id}`, device: null, point: null });
    else toggle(node, !isOpen(node));
  };
  const back = medium ? () => change({ device: null, gateway: null, point: null }) : null;
  const everything = (open: boolean) => {
    const next = new Map<string, boolean>();
    for (const node of flat(tree, () => true)) next.set(node.id, open);
    setClosed(next);
  };

  if (phase.phase === "failed" && devices.size === 0) return <Failure title={t("devices.failed")} error={phase.error} onRetry={reload} />;
  if (phase.phase !== "ready" && devices.size === 0) return <Words>{t("devices.loading")}</Words>;

  const [site = "", name = ""] = (selected ?? "").replace(/^\w+:/, "").split("/");
  const detail = selected?.startsWith("device:") ? (
    <DeviceView key={selected} site={site} id={name} role={role} onBack={back} />
  ) : selected ? (
    <GatewayView key={selected} site={site} id={name} onBack={back} />
  ) : null;
  return (
    <div className="page">
      <header className="head">
        <h1>{t("devices.title")}</h1>
        <LinkState />
        <span className="space" />
        <SoundControl />
      </header>
      <div className="split split-devices">
        {!(medium && detail) && (
          <section className="tree-pane" aria-label={t("devices.tree")}>
            <div className="tree-bar">
              <input
                type="search"
                value={text}
                maxLength={100}
                aria-label={t("devices.search")}
                placeholder={t("devices.search")}
                onChange={(event) => change({ q: event.target.value }, true)}
              />
              <button type="button" aria-pressed={trouble} onClick={() => change({ trouble: trouble ? null : "1" })}>
                {t("devices.trouble")}
              </button>
              <button type="button" disabled={rows.length === 0} onClick={() => everything(rows.length <= tree.length)}>
                {t(rows.length <= tree.length ? "devices.expand" : "devices.collapse")}
              </button>
            </div>
            {devices.size === 0 && gateways.size === 0 ? (
              <Words title={t("devices.none")}>
                <p>{t("devices.nonehelp")}</p>
                <p>
                  <code className="wrap">gatehouse-server gateway add SITE GATEWAY</code>
                </p>
              </Words>
            ) : rows.length === 0 ? (
              <Words title={t("devices.nomatch")}>
                <button type="button" onClick={() => change({ q: null, trouble: null })}>
                  {t("alarms.clear")}
                </button>
              </Words>
            ) : (
              <Tree rows={rows} isOpen={isOpen} selected={selected} onToggle={toggle} onPick={pick} />
            )}
          </section>
        )}
        {detail ?? (!medium && <div className="card-pane detail-none">{rows.length > 0 && t("devices.pick")}</div>)}
      </div>
    </div>
  );
}
