import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A way to a registry that tells what was asked for, for the length of a test. */
export interface WatchedRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** What was asked for since it was last forgotten, without the question whether there is a registry at all. */
  asked(): readonly Asked[];
  forget(): void;
}

export interface Asked {
  /** `manifests/latest`, `blobs/sha256:...`: below the repository. */
  readonly what: string;
  /** Of the answer's body. */
  readonly bytes: number;
}

/** Stands before the registry at `upstream`, `HOST:PORT`. */
export async function watchRegistry(upstream: string): Promise<WatchedRegistry> {
  let asked: { readonly path: string; bytes: number }[] = [];
  const server = createServer((incoming, response) => {
    const entry = { path: incoming.url ?? "", bytes: 0 };
    asked.push(entry);
    const { method = "GET", headers } = incoming;
    const onward = request(`http://${upstream}${incoming.url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.on("data", (piece: Buffer) => {
        entry.bytes += piece.length;
      });
      answer.pipe(response);
    });
    incoming.pipe(onward);
  });
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () =>
      asked
        .filter(({ path }) => path !== "/v2/")
        .map(({ path, bytes }) => ({ what: path.split("/").slice(-2).join("/"), bytes })),
    forget: () => {
      asked = [];
    },
  };
}
