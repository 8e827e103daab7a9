import { type RefObject, useMemo } from "react";
import type { Alarm, Severity } from "../api/types";
import { useI18n } from "../i18n";
import { Choice, distinct, Key, Mark } from "../ui/parts";
import type { Change } from "../ui/router";
import { SEVERITIES, toggled } from "./address";
import type { Filters } from "./select";

interface Props {
  all: Alarm[];
  filters: Filters;
  counts: Record<Severity, number>;
  change: (change: Change, replace?: boolean) => void;
  search: RefObject<HTMLInputElement | null>;
  narrow: boolean;
}

function Chips({ filters, counts, change }: Pick<Props, "filters" | "counts" | "change">) {
  const { t } = useI18n();
  return (
    <div className="chips" role="group" aria-label={t("alarms.col.mark")}>
      {SEVERITIES.map((severity, index) => (
        <button
          type="button"
          key={severity}
          className="chip"
          aria-pressed={filters.severities.includes(severity)}
          aria-label={t("alarms.chip", { name: t(`sev.${severity}`), n: counts[severity] })}
          aria-keyshortcuts={String(index + 1)}
          onClick={() => change(toggled(filters, severity))}
        >
          <Mark severity={severity} style={counts[severity] > 0 ? "fill" : "outline"} blink={severity === "critical" && counts.critical > 0} />
          <span className="chip-word">{t(`sev.${severity}`)}</span>
          <b>{counts[severity]}</b>
        </button>
      ))}
    </div>
  );
}

function Choices({ all, filters, change, search }: Pick<Props, "all" | "filters" | "change" | "search">) {
  const { t, word } = useI18n();
  const sites = useMemo(() => distinct(all.map((alarm) => alarm.site)), [all]);
  const buildings = useMemo(
    () => distinct((filters.site ? all.filter((alarm) => alarm.site === filters.site) : all).map((alarm) => alarm.building)),
    [all, filters.site],
  );
  const classes = useMemo(() => distinct(all.map((alarm) => alarm.class)), [all]);
  const same = (values: string[]): [string, string][] => values.map((value) => [value, value]);
  return (
    <>
      <Choice name={t("alarms.site")} all={t("alarms.allsites")} value={filters.site} options={same(sites)} onChange={(site) => change({ site, building: null })} />
      <Choice name={t("alarms.building")} all={t("alarms.allbuildings")} value={filters.building} options={same(buildings)} onChange={(building) => change({ building })} />
      <Choice
        name={t("alarms.class")}
        all={t("alarms.allclasses")}
        value={filters.cls}
        options={classes.map((cls) => [cls, word("class", cls)])}
        onChange={(cls) => change({ class: cls })}
      />
      <Choice
        name={t("alarms.state")}
        all={t("alarms.allstates")}
        value={filters.state}
        options={(["new", "acked", "cleared", "latched", "suppressed"] as const).map((state) => [state, t(state === "cleared" || state === "latched" ? `state.${state}.short` : `state.${state}`)])}
        onChange={(state) => change({ state })}
      />
      <span className="search">
        <input
          ref={search}
          type="search"
          value={filters.text}
          maxLength={100}
          aria-label={t("alarms.search")}
          placeholder={t("alarms.search")}
          onChange={(event) => change({ q: event.target.value }, true)}
        />
        <Key>/</Key>
      </span>
    </>
  );
}

/** Order and grouping: in the head of the page, or among the filters of a phone. */
export function Order({ filters, change }: Pick<Props, "filters" | "change">) {
  const { t } = useI18n();
  return (
    <>
      <select aria-label={t("alarms.sort")} value={filters.sort} onChange={(event) => change({ sort: event.target.value === "newest" ? "newest" : null })}>
        <option value="urgent">{t("alarms.sort.urgent")}</option>
        <option value="newest">{t("alarms.sort.newest")}</option>
      </select>
      <button type="button" aria-pressed={filters.group} onClick={() => change({ group: filters.group ? null : "1" })}>
        {t("alarms.group")} <Key>g</Key>
      </button>
    </>
  );
}

export function FilterBar(props: Props) {
  const { t } = useI18n();
  const { narrow } = props;
  return (
    <div className="filters" role="search" aria-label={t("alarms.filters")}>
      <Chips {...props} />
      {narrow ? (
        <details className="filters-more">
          <summary>{t("alarms.filters")}</summary>
          <Choices {...props} />
          <Order {...props} />
        </details>
      ) : (
        <Choices {...props} />
      )}
    </div>
  );
}
