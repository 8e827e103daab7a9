import { useCallback, useMemo, useRef, useState } from "react";
import type { Role } from "../api/types";
import { useI18n } from "../i18n";
import { LinkState } from "../shell/link";
import { may } from "../shell/roles";
import { useSignal } from "../store/signal";
import { alarms, feed, loading, reload } from "../store/stores";
import { MEDIUM, NARROW, useMedia, useNow, useStore } from "../ui/hooks";
import { Failure, Words } from "../ui/parts";
import { useSearch } from "../ui/router";
import { SoundControl } from "../ui/sound";
import { useActions } from "./actions";
import { CLEARED, filtersOf, keyOf, narrows, SEVERITIES, toggled } from "./address";
import { AlarmDetail, PastAlarm } from "./detail";
import { BulkDialog, CloseDialog } from "./dialogs";
import { FilterBar, Order } from "./filters";
import { Foot } from "./foot";
import { useHeldList, usePointerRest } from "./held";
import { AlarmHistory } from "./history";
import type { Command } from "./keymap";
import { useKeys } from "./keys";
import { AlarmList } from "./list";
import { Announcer } from "./announcer";
import { type BulkPlan, bulkPlan, counts, grouped, nextOpen, recent, type Row, select, ungrouped, whyNotClosed, within } from "./select";
import { useRowHeight, useSelected } from "./selection";
import { Empty, Flood, Waiting } from "./states";

export function AlarmsPage({ role }: { role: Role }) {
  const { t } = useI18n();
  const [search, change] = useSearch();
  const narrow = useMedia(NARROW);
  const history = search.get("view") === "history";
  return (
    <div className="page">
      <header className="head">
        <h1>{t("alarms.title")}</h1>
        <LinkState />
        <nav className="tabs" aria-label={t("alarms.title")}>
          <button type="button" aria-current={history ? undefined : "page"} onClick={() => change({ view: null, from: null, to: null, id: null })}>
            {t("alarms.tab.open")}
          </button>
          <button type="button" aria-current={history ? "page" : undefined} onClick={() => change({ view: "history", id: null })}>
            {t("alarms.tab.history")}
          </button>
        </nav>
        {!history && !narrow && <Order filters={filtersOf(search)} change={change} />}
        <SoundControl />
      </header>
      {history ? <AlarmHistory /> : <OpenAlarms role={role} search={search} change={change} />}
    </div>
  );
}

type Asked = { what: "bulk"; plan: BulkPlan } | { what: "close"; id: string } | null;

function OpenAlarms({ role, search, change }: { role: Role; search: URLSearchParams; change: ReturnType<typeof useSearch>[1] }) {
  const { t } = useI18n();
  const version = useStore(alarms);
  const phase = useSignal(loading);
  const narrow = useMedia(NARROW);
  const medium = useMedia(MEDIUM);
  const rowHeight = useRowHeight(narrow);
  const filters = filtersOf(search);
  const key = keyOf(filters);
  const actions = useActions();
  const canAck = may(role, "guard");
  const [selected, setSelected] = useSelected(search, change);
  const [marks, setMarks] = useState<ReadonlySet<string>>(new Set());
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const [hold, setHold] = useState(false);
  const [scrolled, setScrolled] = useState(false);
  const [toTop, setToTop] = useState(0);
  const [asked, setAsked] = useState<Asked>(null);
  const [full, setFull] = useState(search.has("id"));
  const [page, setPage] = useState(10);
  const pointer = usePointerRest();
  const searchField = useRef<HTMLInputElement>(null);
  const note = useRef<HTMLTextAreaElement>(null);

  const all = useMemo(() => alarms.all(), [version]);
  const scoped = useMemo(() => within(all, filters), [all, key]);
  const live = useMemo(() => select(scoped, filters), [scoped, key]);
  const numbers = useMemo(() => counts(scoped), [scoped]);
  const suppressed = useMemo(() => all.filter((alarm) => alarm.suppressed_by).length, [all]);
  const held = useHeldList(live, key, hold || scrolled || pointer.busy || asked !== null);
  const rows = filters.group ? grouped(held.list, opened) : ungrouped(held.list);
  const at = selected === null ? -1 : rows.findIndex((row) => row.id === selected);
  const marked = useMemo(() => new Set([...marks].filter((id) => id.includes("|") || alarms.get(id))), [marks, version]);
  const current = at >= 0 ? (rows[at] as Row).alarm : selected === null ? undefined : alarms.get(selected);
  // A link to an alarm that has been closed since must show it, not nothing.
  const past = current === undefined && selected !== null && !selected.includes("|") && phase.phase === "ready" ? selected : null;
  const floodAt = useNow(10_000) + (feed.get().skew ?? 0);
  const flood = useMemo(() => recent(all, floodAt), [all, floodAt]);

  const toggleOpened = (id: string) =>
    setOpened((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  const toggleMark = (id: string) =>
    setMarks((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  const choose = (index: number) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (row) setSelected(row.id);
  };
  const goOn = () => {
    const next = nextOpen(rows, at);
    if (next >= 0 && rows[next]?.id !== selected) setSelected((rows[next] as Row).id);
  };
  const acknowledge = (row: Row | undefined) => {
    if (!row || !canAck || row.alarm.acked) return;
    if (row.members.length > 0) {
      setAsked({ what: "bulk", plan: planOf(row.members) });
      return;
    }
    const text = row.id === selected ? (note.current?.value.trim() ?? "") : "";
    void actions.acknowledge(row.alarm, text).then((done) => {
      if (done && row.id === selected) goOn();
    });
  };
  const planOf = (ids: readonly string[]) => bulkPlan(ids.flatMap((id) => alarms.get(id) ?? []));
  const shownPlan = useMemo(() => bulkPlan(held.list), [held.list]);
  const askBulk = () => {
    if (!canAck) return;
    const row = rows[at];
    if (marked.size > 0) setAsked({ what: "bulk", plan: planOf([...marked].flatMap((id) => rows.find((one) => one.id === id)?.members ?? []).concat([...marked])) });
    else setAsked({ what: "bulk", plan: row && row.members.length > 0 ? planOf(row.members) : shownPlan });
  };
  const open = (row: Row | undefined) => {
    if (!row) return;
    if (row.members.length > 0) toggleOpened(row.id);
    else {
      setSelected(row.id);
      setFull(true);
      document.getElementById("alarm-detail-title")?.focus();
    }
  };
  const release = () => {
    setHold(false);
    setScrolled(false);
    setToTop((old) => old + 1);
  };
  const clear = () => {
    if (medium && full) setFull(false);
    else if (marked.size > 0) setMarks(new Set());
    else change(CLEARED);
  };

  const run = (command: Command) => {
    switch (command.do) {
      case "move":
        return choose(at + command.by);
      case "page":
        return choose(at + command.by * page);
      case "first":
        return choose(0);
      case "last":
        return choose(rows.length - 1);
      case "ack":
        return acknowledge(rows[at]);
      case "bulk":
        return askBulk();
      case "resolve":
        if (canAck && current && whyNotClosed(current) === null && current.state !== "closed") setAsked({ what: "close", id: String(current.id) });
        return;
      case "mark":
        if (at >= 0) toggleMark((rows[at] as Row).id);
        return;
      case "note":
        return note.current?.focus();
      case "search":
        return searchField.current?.focus();
      case "clear":
        return clear();
      case "hold":
        return hold ? release() : setHold(true);
      case "group":
        return change({ group: filters.group ? null : "1" });
      case "open":
        return open(rows[at]);
      case "next":
        return goOn();
      case "severity":
        return change(toggled(filters, SEVERITIES[command.index] ?? "critical"));
    }
  };
  useKeys(run);

  // The rows are memoised, so what they call must not change with every render.
  const now = useRef({ run, acknowledge, open, toggleMark, setSelected, setFull, rows, selected });
  now.current = { run, acknowledge, open, toggleMark, setSelected, setFull, rows, selected };
  const onPick = useCallback((row: Row, event: { shiftKey: boolean; ctrlKey: boolean }) => {
    const { toggleMark: mark, rows: list, selected: from } = now.current;
    if (event.ctrlKey) mark(row.id);
    else if (event.shiftKey) {
      const [a, b] = [list.findIndex((one) => one.id === from), list.findIndex((one) => one.id === row.id)];
      setMarks(new Set(list.slice(Math.max(0, Math.min(a, b)), Math.max(a, b) + 1).map((one) => one.id)));
    }
    now.current.setSelected(row.id);
    if (row.members.length === 0) now.current.setFull(true);
  }, []);
  const onOpen = useCallback((row: Row) => now.current.open(row), []);
  const onAck = useCallback((row: Row) => now.current.acknowledge(row), []);

  if (phase.phase === "failed" && alarms.size === 0) return <Failure title={t("alarms.failed")} error={phase.error} onRetry={reload} />;
  if (phase.phase === "idle" || (phase.phase === "loading" && alarms.size === 0)) return <Words>{t("alarms.loading")}</Words>;

  // On a phone the details have the screen for themselves.
  const covered = narrow && full && (current !== undefined || past !== null);
  const detail = current ? (
    <AlarmDetail
      key={String(current.id)}
      alarm={current}
      role={role}
      sending={actions.sending.has(String(current.id))}
      note={note}
      onAck={() => acknowledge(rows[at] ?? { id: String(current.id), alarm: current, members: [], inside: false })}
      onClose={() => setAsked({ what: "close", id: String(current.id) })}
      onBack={medium ? () => setFull(false) : null}
    />
  ) : past !== null ? (
    <aside className="detail" aria-label={t("detail.title")}>
      {medium && (
        <button type="button" className="back" onClick={() => setSelected(null)}>
          ‹ {t("detail.back")}
        </button>
      )}
      <PastAlarm key={past} id={past} />
    </aside>
  ) : null;
  const nothing = <aside className="detail detail-none" aria-label={t("detail.title")}>{rows.length > 0 && t("alarms.pick")}</aside>;

  return (
    <>
      <Announcer />
      {!covered && <FilterBar all={all} filters={filters} counts={numbers} change={change} search={searchField} narrow={narrow} />}
      {!covered && <Flood count={flood} grouped={filters.group} onGroup={() => run({ do: "group" })} />}
      <div className="split">
        <div className="split-main">
          <Waiting count={held.waiting} critical={held.waitingCritical} onRelease={release} />
          <AlarmList
            rows={rows}
            selected={selected}
            marks={marked}
            opened={opened}
            sending={actions.sending}
            canAck={canAck}
            rowHeight={rowHeight}
            toTop={toTop}
            empty={<Empty narrowed={narrows(filters)} onClear={() => change(CLEARED)} />}
            onPick={onPick}
            onOpen={onOpen}
            onAck={onAck}
            onScrolled={setScrolled}
            onPage={setPage}
            pointer={{ onPointerMove: pointer.onPointerMove, onPointerLeave: pointer.onPointerLeave }}
          />
          <Foot
            shown={held.list.length}
            open={alarms.size}
            suppressed={filters.state === "suppressed" ? 0 : suppressed}
            hold={hold}
            scrolled={scrolled}
            marked={marked.size}
            bulk={canAck ? shownPlan.ids.length : null}
            onSuppressed={() => change({ state: "suppressed" })}
            onHold={() => run({ do: "hold" })}
            onBulk={askBulk}
          />
        </div>
        {medium ? full && detail : (detail ?? nothing)}
      </div>
      {asked?.what === "close" && (
        <CloseDialog
          alarm={alarms.get(asked.id)}
          onClose={() => setAsked(null)}
          onConfirm={(reason) => {
            const alarm = alarms.get(asked.id);
            setAsked(null);
            if (alarm) void actions.close(alarm, reason);
          }}
        />
      )}
      {asked?.what === "bulk" && (
        <BulkDialog
          plan={asked.plan}
          busy={actions.bulkSending}
          onClose={() => setAsked(null)}
          onConfirm={(reason) =>
            void actions.bulk(asked.plan.ids, reason).then((done) => {
              setAsked(null);
              if (done) setMarks(new Set());
            })
          }
        />
      )}
    </>
  );
}
