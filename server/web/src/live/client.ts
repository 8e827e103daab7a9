/** A tab's end of the live feed. */

import { browserWires } from "./browser";
import { type FromHub, Hub, PING_MS, type ToHub } from "./hub";
import workerUrl from "./worker.ts?sharedworker&url";

interface Channel {
  send: (message: ToHub) => void;
}

let policy: { createScriptURL: (url: string) => unknown } | null = null;

function scriptUrl(url: string): string {
  const factory = (window as { trustedTypes?: { createPolicy: (name: string, rules: object) => { createScriptURL: (url: string) => unknown } } })
    .trustedTypes;
  if (!factory) return url;
  // The only script URL that this page ever makes is its own worker's.
  policy ??= factory.createPolicy("live", {
    createScriptURL: (given: string) => {
      if (given !== workerUrl) throw new TypeError("not this page's worker");
      return given;
    },
  });
  return policy.createScriptURL(url) as string;
}

function inThisTab(receive: (message: FromHub) => void): Channel {
  const hub = new Hub(browserWires);
  const port = { post: receive };
  setInterval(() => hub.tick(), PING_MS);
  return { send: (message) => hub.receive(port, message) };
}

/** A hub in the browser's shared worker, or, where there is none or it is not wanted, one in this tab alone. */
export function connect(receive: (message: FromHub) => void, alone = false): Channel {
  if (alone || typeof SharedWorker === "undefined") return inThisTab(receive);
  try {
    const worker = new SharedWorker(scriptUrl(workerUrl), { type: "module", name: "gatehouse-live" });
    worker.port.onmessage = (event: MessageEvent<FromHub>) => receive(event.data);
    worker.port.start();
    return { send: (message) => worker.port.postMessage(message) };
  } catch {
    return inThisTab(receive);
  }
}
