/** The browser's wires for a hub, in a worker or in a tab. */

import type { Hub } from "./hub";

export const browserWires: ConstructorParameters<typeof Hub>[0] = {
  fetch: (url, init) => fetch(url, init),
  now: () => Date.now(),
  random: () => Math.random(),
  wait: (ms, signal) =>
    new Promise((done) => {
      if (signal.aborted) {
        done();
        return;
      }
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        done();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener("abort", end);
    }),
};
