import { useI18n } from "../i18n";
import { Key } from "../ui/parts";
import { helpShown } from "../ui/prefs";

interface Props {
  shown: number;
  open: number;
  /** Not in the list, since their gateway's own alarm stands for them; 0 where the list is about these. */
  suppressed: number;
  hold: boolean;
  scrolled: boolean;
  marked: number;
  /** How many of what is shown may be acknowledged at once; null for who may not. */
  bulk: number | null;
  onSuppressed: () => void;
  onHold: () => void;
  onBulk: () => void;
}

export function Foot({ shown, open, suppressed, hold, scrolled, marked, bulk, onSuppressed, onHold, onBulk }: Props) {
  const { t } = useI18n();
  return (
    <footer className="foot">
      <span>{t("alarms.total", { shown, n: open })}</span>
      {suppressed > 0 && (
        <button type="button" className="plain" onClick={onSuppressed}>
          {t("alarms.suppressed", { n: suppressed })}
        </button>
      )}
      <button type="button" aria-pressed={hold} onClick={onHold}>
        {hold ? t("alarms.held") : scrolled ? t("alarms.heldscroll") : t("alarms.hold")} <Key>h</Key>
      </button>
      <span className="space" />
      <button type="button" className="icon keys-button" aria-label={t("keys.title")} onClick={() => helpShown.set(true)}>
        ?
      </button>
      {bulk !== null && (
        <button type="button" disabled={marked === 0 && bulk === 0} onClick={onBulk}>
          {marked > 0 ? t("alarms.bulkmarked", { n: marked }) : t("alarms.bulk", { n: bulk })} <Key>A</Key>
        </button>
      )}
    </footer>
  );
}
