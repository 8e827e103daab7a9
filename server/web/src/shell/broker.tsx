/** Does the server hear its gateways at all? A page may be live, and still tell of nothing. */

import { useEffect, useState } from "react";
import { useI18n } from "../i18n";

const LOOK_MS = 15_000;

type Broker = "ok" | "down" | "refused";

async function ask(): Promise<Broker> {
  const answer: unknown = await (await fetch("/health", { cache: "no-store" })).json();
  const broker = typeof answer === "object" && answer !== null && "broker" in answer ? answer.broker : "ok";
  return broker === "down" || broker === "refused" ? broker : "ok";
}

export function BrokerBanner() {
  const { t } = useI18n();
  const [broker, setBroker] = useState<Broker>("ok");
  useEffect(() => {
    let gone = false;
    // A server that cannot be asked is told of by the feed.
    const look = () =>
      void ask().then(
        (found) => gone || setBroker(found),
        () => undefined,
      );
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, []);
  if (broker === "ok") return null;
  return (
    <div className="banner banner-stale" role="status">
      {t(broker === "refused" ? "broker.refused" : "broker.down")}
    </div>
  );
}
