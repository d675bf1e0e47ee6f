import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { addImage, type Described, type FakeRegistry, startFakeRegistry } from "./registry.ts";

/** The one layer of a FaultyRegistry's image. */
export const tar: Buffer = randomBytes(3 * 1024 * 1024);
export const stored: Buffer = gzipSync(tar, { level: 1 });

/** A fake registry that serves an image of one layer, and whose faults are about that layer. */
export interface FaultyRegistry {
  readonly fake: FakeRegistry;
  /** Of the image. */
  readonly reference: string;
  readonly layer: Described;
  /** Lets `fault` answer the requests for the layer, told how many of them came before. */
  onLayer(fault: (request: IncomingMessage, response: ServerResponse, before: number) => boolean): void;
  /** The Range header of each request for the layer, in order. */
  layerRequests(): readonly (string | undefined)[];
  stop(): Promise<void>;
}

export async function startFaultyRegistry(): Promise<FaultyRegistry> {
  const fake = await startFakeRegistry();
  const { layer } = addImage(fake, "v1", stored, tar);
  return {
    fake,
    layer,
    reference: `${fake.host}/team/app:v1`,
    onLayer: (fault) => {
      let count = 0;
      fake.fault = (request, response) => {
        if (!request.url?.endsWith(layer.digest)) return false;
        count += 1;
        return fault(request, response, count - 1);
      };
    },
    layerRequests: () =>
      fake.requests.filter((request) => request.path.endsWith(layer.digest)).map((request) => request.headers.range),
    stop: fake.stop,
  };
}

/** Sends what was asked for up to the byte `end` of the layer, then breaks the connection. */
export function dropAt(end: number, request: IncomingMessage, response: ServerResponse): true {
  const start = Number(/^bytes=([0-9]+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const range = start > 0 ? { "content-range": `bytes ${start}-${stored.length - 1}/${stored.length}` } : {};
  response.writeHead(start > 0 ? 206 : 200, { "content-length": stored.length - start, ...range });
  response.write(stored.subarray(start, end), () => response.destroy());
  return true;
}
