import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { dropAt, type FaultyRegistry, startFaultyRegistry, stored, tar } from "../fakes/faulty-registry.ts";
import { pull, testOptions } from "./pull.ts";

let faulty: FaultyRegistry;

beforeEach(async () => {
  faulty = await startFaultyRegistry();
});

afterEach(() => faulty.stop());

describe("a broken download", () => {
  it("goes on where it stopped: one more request, and no byte twice", async () => {
    const half = Math.floor(stored.length / 2);
    faulty.onLayer((request, response, before) => before === 0 && dropAt(half, request, response));
    expect((await pull(faulty.reference)).tars).toEqual([digestOf(tar)]);
    expect(faulty.layerRequests()).toEqual([undefined, `bytes=${half}-`]);
  });

  it("survives five drops", async () => {
    faulty.onLayer((request, response, before) => before < 5 && dropAt((before + 1) * 100_000, request, response));
    expect((await pull(faulty.reference)).tars).toEqual([digestOf(tar)]);
    expect(faulty.layerRequests()).toHaveLength(6);
  });

  it("ends when drops do not", async () => {
    faulty.onLayer((request, response) => dropAt(1000, request, response));
    await expect(pull(faulty.reference)).rejects.toMatchObject({ code: "E_REGISTRY" });
    expect(faulty.layerRequests()).toHaveLength(6);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ["ignored", (response) => response.writeHead(200, { "content-length": stored.length }).end(stored)],
    [
      "answered with another part",
      (response) =>
        void response
          .writeHead(206, { "content-range": `bytes 7-${stored.length - 1}/${stored.length}` })
          .end(stored.subarray(7)),
    ],
    ["answered without saying which", (response) => void response.writeHead(206).end(stored.subarray(7))],
    ["refused", (response) => void response.writeHead(416).end()],
    [
      "answered in several parts",
      (response) =>
        void response
          .writeHead(206, { "content-type": "multipart/byteranges; boundary=x" })
          .end("--x\r\n\r\nabc\r\n--x--"),
    ],
  ])("starts over when the range is %s", async (_how, answer) => {
    faulty.onLayer((request, response, before) => {
      if (before === 0) return dropAt(1_000_000, request, response);
      if (request.headers.range === undefined) return false;
      answer(response);
      return true;
    });
    expect((await pull(faulty.reference)).tars).toEqual([digestOf(tar)]);
  });

  it("is found out when the rest is shifted by a byte", async () => {
    faulty.onLayer((request, response, before) => {
      if (before === 0) return dropAt(1_000_000, request, response);
      const range = { "content-range": `bytes 1000000-${stored.length - 1}/${stored.length}` };
      response.writeHead(206, range).end(Buffer.concat([Buffer.of(0), stored.subarray(1_000_000, -1)]));
      return true;
    });
    await expect(pull(faulty.reference)).rejects.toMatchObject({ code: "E_DIGEST" });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ["is reset", (response) => response.write(stored.subarray(0, 500_000), () => response.socket?.resetAndDestroy())],
    ["ends too early, its length untold", (response) => response.end(stored.subarray(0, 500_000))],
  ])("goes on after the connection %s", async (_how, answer) => {
    faulty.onLayer((_request, response, before) => {
      if (before > 0) return false;
      answer(response.writeHead(200));
      return true;
    });
    expect((await pull(faulty.reference)).tars).toEqual([digestOf(tar)]);
    expect(faulty.layerRequests()).toHaveLength(2);
  });

  it("is given up when there is no patience left for it", async () => {
    faulty.onLayer((request, response) => dropAt(1000, request, response));
    const timing = { ...testOptions.timing, patience: -1 } as never;
    await expect(pull(faulty.reference, { timing })).rejects.toMatchObject({ code: "E_REGISTRY" });
    expect(faulty.layerRequests()).toHaveLength(1);
  });

  it("is found out when the registry starts over with other bytes", async () => {
    const changed = Buffer.from(stored);
    changed.writeUInt8(changed.readUInt8(2_000_000) ^ 1, 2_000_000);
    faulty.onLayer((request, response, before) => {
      if (before === 0) return dropAt(1_000_000, request, response);
      response.writeHead(200).end(changed);
      return true;
    });
    await expect(pull(faulty.reference)).rejects.toMatchObject({ code: "E_DIGEST" });
  });

  it("goes on after the registry fell silent", async () => {
    faulty.onLayer((_request, response, before) => {
      if (before > 0) return false;
      response.writeHead(200, { "content-length": stored.length });
      response.write(stored.subarray(0, 500_000));
      return true;
    });
    expect((await pull(faulty.reference, { timing: { ...testOptions.timing, idle: 100 } as never })).tars).toEqual([
      digestOf(tar),
    ]);
    expect(faulty.layerRequests()).toHaveLength(2);
  });
});
