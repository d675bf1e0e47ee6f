import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

/** A way to a server that counts what comes back. */
export interface Wire {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Bytes that came from the server, headers and all, since this was last asked. */
  bytes(): number;
  close(): void;
}

/** Stands before `upstream`, `HOST:PORT`. */
export async function openWire(upstream: string): Promise<Wire> {
  const [host = "", port] = upstream.split(":");
  let count = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    far.on("data", (piece: Buffer) => {
      count += piece.length;
    });
    for (const end of [near, far]) end.on("error", () => [near, far].map((each) => each.destroy()));
    near.pipe(far);
    far.pipe(near);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes() {
      const counted = count;
      count = 0;
      return counted;
    },
    close: () => void server.close(),
  };
}
