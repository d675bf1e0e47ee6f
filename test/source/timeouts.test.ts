import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { waitAfter } from "../../src/source/retry.ts";
import { addImage, type FakeRegistry, startFakeRegistry } from "../fakes/registry.ts";
import { pull, testOptions } from "./pull.ts";

const timing = { connect: 5_000, headers: 5_000, idle: 5_000, backoff: 1, longestWait: 20, patience: 0 };
const tar = Buffer.alloc(300_000, "tar");
const stored = gzipSync(tar, { level: 0 });
let fake: FakeRegistry;

beforeEach(async () => {
  fake = await startFakeRegistry();
  addImage(fake, "v1", stored, tar);
});

afterEach(() => fake.stop());

/** The registry falls silent in the midst of the layer, until `more` has come. */
function fallSilent(more: Promise<unknown>): void {
  fake.fault = (request, response) => {
    if (!request.url?.includes("blobs") || !fake.requests.at(-1)?.path.endsWith(digestOf(stored))) return false;
    response.writeHead(200, { "content-length": stored.length }).write(stored.subarray(0, 1000));
    void more.then(() => response.end(stored.subarray(1000)));
    return true;
  };
}

it("idle_timeout: a shorter silence is waited for", async () => {
  const silence = Promise.withResolvers<void>();
  fallSilent(silence.promise);
  const pulled = pull(`${fake.host}/team/app:v1`, { timing });
  setTimeout(silence.resolve, 50);
  expect((await pulled).tars).toEqual([digestOf(tar)]);
});

it("idle_timeout: a longer silence is the end, and the setting is named", async () => {
  fallSilent(new Promise(() => undefined));
  const failure = pull(`${fake.host}/team/app:v1`, { timing: { ...timing, idle: 50 } });
  await expect(failure).rejects.toMatchObject({ code: "E_REGISTRY" });
  await expect(failure).rejects.toThrow("idle_timeout: nothing more within 0.05 s");
});

/** Takes connections and hands the first bytes on when `more` has come: TLS does not stand before. */
async function silentProxy(more: Promise<unknown>): Promise<{ readonly host: string; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer(async (socket) => {
    sockets.add(socket.on("error", () => undefined));
    await more;
    socket.destroy();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

it("connect_timeout: a connection that stands later is not waited for, and the setting is named", async () => {
  const proxy = await silentProxy(new Promise(() => undefined));
  const failure = pull(`${proxy.host}/team/app:v1`, { tlsVerify: true, timing: { ...timing, connect: 50 } });
  await expect(failure).rejects.toMatchObject({ code: "E_REGISTRY" });
  await expect(failure).rejects.toThrow("connect_timeout: no connection within 0.05 s");
  proxy.close();
});

it("connect_timeout: until then it is waited for, whatever comes of the connection", async () => {
  const answer = Promise.withResolvers<void>();
  const proxy = await silentProxy(answer.promise);
  const failure = pull(`${proxy.host}/team/app:v1`, { tlsVerify: true, timing }).catch((error: Error) => error.message);
  setTimeout(answer.resolve, 50);
  const message = await failure;
  expect(message).toContain(proxy.host);
  expect(message).not.toContain("connect_timeout");
  proxy.close();
});

it.each([
  ["59", 60_000, 59_000],
  ["60", 60_000, 60_000],
  ["61", 60_000, 60_000],
])("retry_wait: %s s asked for, of %i ms at most, are %i", (asked, longestWait, waited) => {
  expect(waitAfter(1, asked, { ...testOptions, timing: { ...timing, longestWait } })).toBe(waited);
});
