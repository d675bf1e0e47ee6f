import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";

/** What a Docker daemon answers about images, on a Unix socket. It keeps archives as they are. */
export interface FakeEngine {
  /** As DOCKER_HOST has it. */
  readonly host: string;
  /** `METHOD PATH` of what was asked, in order, API versions left out. */
  readonly requests: readonly string[];
  /** What `docker save` gives, by name and by id. */
  readonly images: Map<string, Buffer>;
  /** What `docker load` was given. */
  readonly loaded: readonly Buffer[];
  /** Is asked before the daemon answers by itself; true when it has answered. */
  fault: (request: IncomingMessage, response: ServerResponse) => boolean;
  stop(): Promise<void>;
}

/** Listens in `directory`, whose path has to be short. */
export async function startFakeEngine(directory: string): Promise<FakeEngine> {
  const socket = join(directory, "docker.sock");
  const [requests, loaded, sockets]: [string[], Buffer[], Set<Socket>] = [[], [], new Set()];
  const server = createServer((request, response) => {
    const path = (request.url ?? "").replace(/^\/v[0-9.]+/, "");
    requests.push(`${request.method} ${path}`);
    if (!fake.fault(request, response)) answer(fake.images, loaded, request, response);
  });
  server.on("connection", (connection) => {
    sockets.add(connection);
    connection.on("close", () => sockets.delete(connection)).on("error", () => undefined);
  });
  await once(server.listen(socket), "listening");
  const fake: FakeEngine = {
    host: `unix://${socket}`,
    requests,
    images: new Map(),
    loaded,
    fault: () => false,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      for (const connection of sockets) connection.destroy();
      await closed;
    },
  };
  return fake;
}

function answer(
  images: ReadonlyMap<string, Buffer>,
  loaded: Buffer[],
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const url = new URL((request.url ?? "").replace(/^\/v[0-9.]+/, ""), "http://docker");
  const json = (status: number, body: unknown): unknown =>
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  switch (`${request.method} ${url.pathname}`) {
    case "GET /images/get": {
      const name = url.searchParams.get("names") ?? "";
      const archive = images.get(name);
      if (archive === undefined) return void json(404, { message: `reference does not exist: ${name}` });
      return void response.writeHead(200, { "Content-Type": "application/x-tar" }).end(archive);
    }
    case "GET /images/json":
      return void json(
        200,
        [...images.keys()].map((name) => ({ Id: "sha256:0", RepoTags: name.startsWith("sha256:") ? null : [name] })),
      );
    case "POST /images/load": {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        loaded.push(Buffer.concat(pieces));
        json(200, { stream: "Loaded image: it\n" });
      });
      return;
    }
    default:
      json(404, { message: "page not found" });
  }
}
