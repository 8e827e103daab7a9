import { useI18n } from "../i18n";
import { useSignal } from "../store/signal";
import { Dialog } from "../ui/parts";
import { helpShown, letterKeys } from "../ui/prefs";
import type { KeyLine } from "./pages";

const EVERYWHERE: readonly KeyLine[] = [
  ["m", "keys.sound"],
  ["t", "keys.theme"],
  ["?", "keys.help"],
];

/** The keys of this page and of every page, and the switch for those of one letter. */
export function KeysHelp({ lines }: { lines: readonly KeyLine[] }) {
  const { t } = useI18n();
  const on = useSignal(letterKeys);
  if (!useSignal(helpShown)) return null;
  const close = () => helpShown.set(false);
  return (
    <Dialog title={t("keys.title")} onClose={close}>
      <p>{t(on ? "shell.keys.on" : "shell.keys.off")}</p>
      <dl className="keys">
        {[...lines, ...EVERYWHERE].map(([keys, text]) => (
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
        <button type="button" className="primary" data-focus onClick={close}>
          {t("dialog.close")}
        </button>
      </div>
    </Dialog>
  );
}
