import type { ReactNode } from "react";
import { go } from "./router";

interface Props {
  to: string;
  current?: boolean;
  children: ReactNode;
}

/** A link inside the pages: no load, but a new tab when the browser is asked for one. */
export function Link({ to, current = false, children }: Props) {
  return (
    <a
      href={to}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}
