/** What was not saved stays on the screen until somebody has read it: never a toast alone. */

import { useI18n } from "../i18n";
import { Signal, useSignal } from "../store/signal";

interface Problem {
  id: number;
  text: string;
}

const problems = new Signal<Problem[]>([]);
let last = 0;

export function report(text: string): void {
  last += 1;
  problems.set([...problems.get().slice(-2), { id: last, text }]);
}

export const dismissAll = (): void => problems.set([]);

export function Problems() {
  const { t } = useI18n();
  const list = useSignal(problems);
  return (
    <div className="problems" role="alert">
      {list.map((problem) => (
        <div className="banner banner-problem" key={problem.id}>
          <span>{problem.text}</span>
          <button type="button" onClick={() => problems.set(list.filter((one) => one.id !== problem.id))}>
            {t("error.dismiss")}
          </button>
        </div>
      ))}
    </div>
  );
}
