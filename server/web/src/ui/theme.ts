import { Signal } from "../store/signal";

export type Theme = "dark" | "light";
const STORE = "gatehouse.theme";

export const theme = new Signal<Theme>(localStorage.getItem(STORE) === "light" ? "light" : "dark");

function show(): void {
  document.documentElement.dataset.theme = theme.get();
  localStorage.setItem(STORE, theme.get());
}

show();
theme.subscribe(show);

export const toggleTheme = (): void => theme.set(theme.get() === "dark" ? "light" : "dark");
