/** The language of the page, and times and names in it. */

import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { en } from "./en";
import { type Located, placeText } from "./place";
import { type Key, type Language, type Params, translate } from "./text";

interface I18n {
  language: Language;
  toggle: () => void;
  t: (key: Key, params?: Params) => string;
  /** The label in this language, or in the one that there is. */
  label: (thing: { label: string; label_zh?: string }) => string;
  /** Building, floor and place; `parts` names others. */
  place: (where: Located, parts?: readonly (keyof Located)[]) => string;
  /** A word of an open set: translated when known, else as it was sent. */
  word: (prefix: string, value: string) => string;
}

const Context = createContext<I18n | null>(null);
const STORE = "gatehouse.language";

function first(): Language {
  const stored = localStorage.getItem(STORE);
  if (stored === "en" || stored === "zh") return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function I18nProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(first);
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    localStorage.setItem(STORE, language);
  }, [language]);
  const toggle = useCallback(() => setLanguage((now) => (now === "zh" ? "en" : "zh")), []);
  const value = useMemo<I18n>(() => {
    const t = (key: Key, params?: Params) => translate(language, key, params);
    return {
      language,
      toggle,
      t,
      label: (thing) => (language === "zh" && thing.label_zh ? thing.label_zh : thing.label),
      place: (where, parts) => placeText(t, where, parts),
      word: (prefix, name) => {
        const key = `${prefix}.${name}`;
        return key in en ? t(key as Key) : name.replaceAll("_", " ");
      },
    };
  }, [language, toggle]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

export function useI18n(): I18n {
  const value = useContext(Context);
  if (!value) throw new Error("no language here");
  return value;
}
