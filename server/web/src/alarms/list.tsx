import { memo, type PointerEvent, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useI18n } from "../i18n";
import { deviceText } from "../i18n/place";
import { useSignal } from "../store/signal";
import { zones } from "../store/zones";
import { Mark, markStyle } from "../ui/parts";
import { Time } from "../ui/times";
import type { Row } from "./select";

const OVERSCAN = 8;
/** A hand that was on its way when a strip or banner moved the list would press another row. */
const SHIFT_GUARD_MS = 500;

interface RowProps {
  row: Row;
  index: number;
  height: number;
  selected: boolean;
  marked: boolean;
  sending: boolean;
  canAck: boolean;
  open: boolean;
  onPick: (row: Row, event: { shiftKey: boolean; ctrlKey: boolean }) => void;
  onOpen: (row: Row) => void;
  onAck: (row: Row) => void;
}

const rowId = (id: string): string => `row-${id.replace(/[^\w-]/g, "_")}`;

function Tags({ row }: { row: Row }) {
  const { t } = useI18n();
  const { alarm } = row;
  return (
    <>
      {row.first && (
        <span className="tag tag-first" title={row.first}>
          {t("alarms.first", { part: row.first })}
        </span>
      )}
      {alarm.count > 1 && <span className="tag">{t("alarms.repeat", { n: alarm.count })}</span>}
      {alarm.test && <span className="tag">{t("alarms.test")}</span>}
      {alarm.late && <span className="tag">{t("alarms.late")}</span>}
    </>
  );
}

const ListRow = memo(function ListRow(props: RowProps) {
  const { row, index, height, selected, marked, sending, canAck, open, onPick, onOpen, onAck } = props;
  const { t, label, place } = useI18n();
  const { several } = useSignal(zones);
  const { alarm } = row;
  const isGroup = row.members.length > 0;
  const isCrowd = row.first !== undefined;
  const where = place(alarm, isGroup && !isCrowd ? ["building"] : undefined);
  const size = t(isCrowd ? "alarms.parts" : "alarms.alike", { n: row.members.length });
  const state = alarm.state === "cleared" || alarm.state === "latched" ? t(`state.${alarm.state}.short`) : t(`state.${alarm.state}`);
  const classes = ["row", alarm.acked ? "row-acked" : "row-new", selected && "row-selected", marked && "row-marked", row.inside && "row-inside", alarm.state === "closed" && "row-closed"];
  return (
    <div
      id={rowId(row.id)}
      role="row"
      className={classes.filter(Boolean).join(" ")}
      aria-rowindex={index + 2}
      aria-selected={marked || selected}
      style={{ transform: `translateY(${index * height}px)`, height }}
      onClick={(event) => onPick(row, event)}
      onDoubleClick={() => onOpen(row)}
    >
      <span role="gridcell" className="c-mark">
        <Mark severity={alarm.severity} style={markStyle(alarm)} />
        <span className="hidden">{t(`sev.${alarm.severity}`)}</span>
      </span>
      <span role="gridcell" className="c-time">
        <Time at={alarm.raised_at} site={alarm.site} />
      </span>
      <span role="gridcell" className="c-state">
        {state}
      </span>
      <span role="gridcell" className="c-place" title={`${where} · ${alarm.site}`}>
        <span className="where">{where}</span> {several && <span className="second">{alarm.site}</span>}
        {alarm.part && !isGroup && <b className="c-part">{alarm.part}</b>}
      </span>
      <span role="gridcell" className="c-point" title={isGroup ? undefined : [alarm.device, alarm.part].filter(Boolean).join(" · ")}>
        {isCrowd && <span className="crowd-name">{alarm.device_name || alarm.device} </span>}
        {isGroup ? (
          <button type="button" tabIndex={-1} className="alike" aria-label={`${size}. ${t("alarms.opengroup")}`} onClick={() => onOpen(row)}>
            {open ? "▾" : "▸"} {size}
          </button>
        ) : (
          deviceText(alarm)
        )}
      </span>
      <span role="gridcell" className="c-alarm" title={label(alarm)}>
        <span className="c-label">{label(alarm)}</span>
        <Tags row={row} />
      </span>
      <span role="gridcell" className="c-who">
        {alarm.acked_by ?? ""}
        {canAck && !alarm.acked && !isGroup && (
          <button
            type="button"
            tabIndex={-1}
            disabled={sending}
            onClick={(event) => {
              event.stopPropagation();
              onAck(row);
            }}
          >
            {sending ? t("detail.sending") : t("detail.ack")}
          </button>
        )}
      </span>
    </div>
  );
});

interface ListProps {
  rows: Row[];
  selected: string | null;
  marks: ReadonlySet<string>;
  opened: ReadonlySet<string>;
  sending: ReadonlySet<string>;
  canAck: boolean;
  rowHeight: number;
  empty: ReactNode;
  toTop: number;
  onPick: RowProps["onPick"];
  onOpen: (row: Row) => void;
  onAck: (row: Row) => void;
  onScrolled: (scrolled: boolean) => void;
  onPage: (rows: number) => void;
  pointer: { onPointerMove: (event: PointerEvent) => void; onPointerLeave: (event: PointerEvent) => void };
}

const COLUMNS = ["mark", "raised", "state", "place", "point", "alarm", "who"] as const;
const CELLS = { mark: "c-mark", raised: "c-time", state: "c-state", place: "c-place", point: "c-point", alarm: "c-alarm", who: "c-who" } as const;

function Head() {
  const { t } = useI18n();
  return (
    <div role="rowgroup" className="grid-head">
      <div role="row" aria-rowindex={1} className="row">
        {COLUMNS.map((column) => (
          <span role="columnheader" key={column} className={CELLS[column]}>
            <span className={column === "mark" ? "hidden" : ""}>{t(`alarms.col.${column}`)}</span>
          </span>
        ))}
      </div>
    </div>
  );
}

/** A grid that draws only what is in sight: 5,000 alarms are some forty rows. */
export function AlarmList(props: ListProps) {
  const { rows, selected, marks, opened, sending, canAck, rowHeight, onPick, onOpen, onAck, onScrolled, onPage, toTop } = props;
  const { t } = useI18n();
  const scroller = useRef<HTMLDivElement>(null);
  const shiftedAt = useRef(Number.NEGATIVE_INFINITY);
  const [view, setView] = useState({ top: 0, height: 800 });

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    let height = 0;
    const observer = new ResizeObserver(() => {
      if (height > 0 && element.clientHeight !== height) shiftedAt.current = performance.now();
      height = element.clientHeight;
      setView((old) => ({ ...old, height: element.clientHeight }));
      onPage(Math.max(1, Math.floor(element.clientHeight / rowHeight) - 2));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [rowHeight, onPage]);

  const at = selected === null ? -1 : rows.findIndex((row) => row.id === selected);
  // Follow the selection only when it was moved, not when the list moved around it.
  const last = useRef(selected);
  useEffect(() => {
    const element = scroller.current;
    if (!element || at < 0 || last.current === selected) return;
    last.current = selected;
    const head = rowHeight;
    const top = at * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight + head > element.scrollTop + element.clientHeight) element.scrollTop = top + rowHeight + head - element.clientHeight;
  }, [selected, at, rowHeight]);
  useEffect(() => {
    if (toTop > 0 && scroller.current) scroller.current.scrollTop = 0;
  }, [toTop]);

  const from = Math.max(0, Math.floor(view.top / rowHeight) - OVERSCAN);
  const to = Math.min(rows.length, Math.ceil((view.top + view.height) / rowHeight) + OVERSCAN);
  const shown = rows.slice(from, to);
  const active = at >= from && at < to ? rowId(selected as string) : undefined;
  return (
    <div
      ref={scroller}
      id="alarm-grid"
      className="grid"
      role="grid"
      tabIndex={0}
      aria-label={t("alarms.list")}
      aria-rowcount={rows.length + 1}
      aria-multiselectable="true"
      aria-activedescendant={active}
      onClickCapture={(event) => {
        // `detail` is 0 for a press by keyboard or screen reader: those name their row and cannot miss it.
        if (event.detail > 0 && performance.now() - shiftedAt.current < SHIFT_GUARD_MS) event.stopPropagation();
      }}
      onScroll={(event) => {
        const { scrollTop, clientHeight } = event.currentTarget;
        setView({ top: scrollTop, height: clientHeight });
        onScrolled(scrollTop > 2);
      }}
      {...props.pointer}
    >
      <Head />
      {rows.length === 0 ? (
        <div role="rowgroup">
          <div role="row" aria-rowindex={2}>
            <div role="gridcell" className="grid-empty">
              {props.empty}
            </div>
          </div>
        </div>
      ) : (
        <div role="rowgroup" className="grid-body" style={{ height: rows.length * rowHeight }}>
          {shown.map((row, offset) => (
            <ListRow
              key={row.id}
              row={row}
              index={from + offset}
              height={rowHeight}
              selected={row.id === selected}
              marked={marks.has(row.id)}
              sending={sending.has(row.id)}
              canAck={canAck}
              open={opened.has(row.id)}
              onPick={onPick}
              onOpen={onOpen}
              onAck={onAck}
            />
          ))}
        </div>
      )}
    </div>
  );
}
