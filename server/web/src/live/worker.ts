/** The SharedWorker: one stream for all tabs, since a browser opens six connections to a host and no more. */

import { browserWires } from "./browser";
import { Hub, PING_MS, type Port, type ToHub } from "./hub";

declare const self: { onconnect: ((event: MessageEvent) => void) | null };

const hub = new Hub(browserWires);
setInterval(() => hub.tick(), PING_MS);

self.onconnect = (event) => {
  const channel = event.ports[0];
  if (!channel) return;
  const port: Port = { post: (message) => channel.postMessage(message) };
  channel.onmessage = (said: MessageEvent<ToHub>) => hub.receive(port, said.data);
  channel.start();
};
