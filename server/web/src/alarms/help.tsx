import { useI18n } from "../i18n";
import type { Key as TextKey } from "../i18n/text";
import { useSignal } from "../store/signal";
import { Dialog } from "../ui/parts";
import { letterKeys } from "../ui/prefs";

const KEYS: [keys: string, text: TextKey][] = [
  ["j k ↓ ↑", "keys.move"],
  ["PgDn PgUp Home End", "keys.page"],
  ["Enter", "keys.enter"],
  ["a", "keys.ack"],
  ["n", "keys.next"],
  ["r", "keys.resolve"],
  ["x Space", "keys.mark"],
  ["A", "keys.bulk"],
  ["1 2 3 4", "keys.sev"],
  ["/", "keys.search"],
  ["Esc", "keys.esc"],
  ["h", "keys.hold"],
  ["g", "keys.group"],
  ["m", "keys.sound"],
  ["t", "keys.theme"],
  ["?", "keys.help"],
];

export function KeysHelp({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const on = useSignal(letterKeys);
  return (
    <Dialog title={t("keys.title")} onClose={onClose}>
      <p>{t(on ? "shell.keys.on" : "shell.keys.off")}</p>
      <dl className="keys">
        {KEYS.map(([keys, text]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
      <div className="dialog-buttons">
        <button type="button" onClick={() => letterKeys.set(!on)}>
          {t(on ? "keys.off" : "keys.on")}
        </button>
        <button type="button" className="primary" onClick={onClose}>
          {t("dialog.close")}
        </button>
      </div>
    </Dialog>
  );
}
