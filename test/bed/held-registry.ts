import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A way to a registry on which one request never gets anywhere. */
export interface HeldRegistry {
  readonly host: string;
  /** Settles when that request has come, whole or in part. */
  readonly held: Promise<void>;
}

/** Stands before the registry at `upstream`, `HOST:PORT`; the first request of which `holds` is true is not answered. */
export async function holdRegistry(
  upstream: string,
  holds: (method: string, path: string) => boolean,
): Promise<HeldRegistry> {
  const { promise: held, resolve } = Promise.withResolvers<void>();
  const server = createServer((incoming, response) => {
    const { method = "GET", headers, url = "" } = incoming;
    if (holds(method, url)) return resolve();
    const onward = request(`http://${upstream}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    incoming.pipe(onward);
  });
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, held };
}
