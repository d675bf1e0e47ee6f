import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** An HTTP proxy on the loopback that leads every request to one server, whatever host it is for. */
export interface FakeProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** What it was asked for: `CONNECT host:port`, or `GET` and the whole URL. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

/** `credentials` is `USER:PASSWORD`; without them everybody is served. Tunnels are refused where `tunnels` is false. */
export async function startFakeProxy(
  target: string,
  options: { readonly credentials?: string; readonly tunnels?: boolean } = {},
): Promise<FakeProxy> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const wanted = options.credentials && `Basic ${Buffer.from(options.credentials).toString("base64")}`;
  const refused = ({ headers }: IncomingMessage): boolean =>
    wanted !== undefined && headers["proxy-authorization"] !== wanted;
  const server = createServer((asked, response) => {
    requests.push(`${asked.method} ${asked.url}`);
    if (refused(asked)) response.writeHead(407).end();
    else passOn(asked, response, target);
  });
  server.on("connect", (asked, socket: Socket) => {
    requests.push(`CONNECT ${asked.url}`);
    if (refused(asked)) return socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    if (options.tunnels === false) return socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    const [host, port] = target.split(":");
    const far = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      far.pipe(socket).on("error", () => far.destroy());
      socket.pipe(far).on("error", () => socket.destroy());
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function passOn(asked: IncomingMessage, response: ServerResponse, target: string): void {
  const path = new URL(asked.url ?? "").pathname;
  request(`http://${target}${path}`, { method: asked.method ?? "GET" }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  }).end();
}
