import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { standardLimits } from "../../src/image/limits.ts";
import { parseReference } from "../../src/image/reference.ts";
import { copyImage } from "../../src/source/copy.ts";
import { openSource } from "../../src/source/open.ts";
import { openDestination } from "../../src/source/open-destination.ts";
import type { SourceOptions } from "../../src/source/options.ts";
import { buildImage, type TestImage } from "../bed/images.ts";
import { run } from "../bed/run.ts";
import { type FakeEngine, startFakeEngine } from "../fakes/docker-engine.ts";
import { type Pulled, pull, testOptions } from "./pull.ts";

let scratch: string;
let engine: FakeEngine;
let image: TestImage;
let expected: Pulled;
let options: SourceOptions;
const name = "team/app:v1";

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "kd-"));
  [engine, image] = await Promise.all([
    startFakeEngine(scratch),
    buildImage({ layers: [{ a: "1" }, { b: "2" }, { a: "1" }] }),
  ]);
  await run("skopeo", "copy", "-q", image.reference, `docker-archive:${scratch}/saved.tar:${name}`);
  expected = await pull(image.reference);
  const saved = await readFile(join(scratch, "saved.tar"));
  engine.images.set(name, saved).set(expected.manifest.config.digest, saved);
  options = { ...testOptions, dockerHost: engine.host, cacheDirectory: await mkdtemp(join(scratch, "cache-")) };
});

beforeEach(() => {
  engine.fault = () => false;
});

afterAll(async () => {
  await Promise.all([engine?.stop(), image?.remove()]);
  await rm(scratch, { recursive: true, force: true });
});

const load = async (to: string): Promise<void> => {
  const source = openSource(parseReference(image.reference), options);
  const destination = await openDestination(parseReference(to), options);
  const begin = () => ({ advance: () => undefined, finish: () => undefined });
  const { platform } = expected.config;
  try {
    const { cacheDirectory } = options;
    const copied = { name: to, limits: standardLimits, platform, all: false, cacheDirectory, begin } as const;
    await copyImage(source, destination, copied);
  } finally {
    await Promise.all([source.close(), destination.close()]);
  }
};

describe("an image of a Docker daemon", () => {
  it("is the one that it saves, by name and by id, with the digests that skopeo finds", async () => {
    await run("skopeo", "copy", "-q", "--src-daemon-host", engine.host, `docker-daemon:${name}`, `dir:${scratch}/dir`);
    // Only its types differ: skopeo calls these layers gzip.
    const named = ({ manifest }: Pulled) => manifest.layers.map(({ digest, size }) => [digest, size]);
    const copied = named(await pull(`dir:${scratch}/dir`));
    for (const what of [name, expected.manifest.config.digest]) {
      const found = await pull(`docker-daemon:${what}`, options);
      expect([found.tars, found.configBytes], what).toEqual([expected.tars, expected.configBytes]);
      expect(named(found), what).toEqual(copied);
    }
    expect(await readdir(options.cacheDirectory)).toEqual([]);
  });

  it("that it does not have is an error with what it has", async () => {
    await expect(pull("docker-daemon:team/app:v2", options)).rejects.toMatchObject({
      code: "E_SOURCE",
      message: expect.stringMatching(/docker\.sock: team\/app:v2: .*does not exist.*; there are team\/app:v1$/),
    });
  });

  it.each<[string, FakeEngine["fault"], RegExp]>([
    ["fails", (_, response) => !!response.writeHead(500).end('{"message":"no space left"}'), /500: no space left/],
    [
      "breaks off",
      (_, response) => {
        response.writeHead(200, { "Content-Length": 100_000 }).write(Buffer.alloc(3000));
        return !!setImmediate(() => response.destroy());
      },
      /broke off/,
    ],
    [
      "stops in the midst of the archive",
      (_, response) => !!response.writeHead(200).end(engine.images.get(name)?.subarray(0, 3000)),
      /truncated/,
    ],
    ["gives no archive", (_, response) => !!response.writeHead(200).end("text ".repeat(1000)), /not a tar/],
    ["gives nothing", (_, response) => !!response.writeHead(200).end(), /no manifest\.json/],
  ])("of a daemon that %s is refused, and nothing of it is left", async (_, fault, message) => {
    engine.fault = fault;
    await expect(pull(`docker-daemon:${name}`, options)).rejects.toMatchObject({
      code: "E_SOURCE",
      message: expect.stringMatching(message),
    });
    expect(await readdir(options.cacheDirectory)).toEqual([]);
  });

  it("of a daemon that is not there, or not on a socket of this machine, is refused", async () => {
    await writeFile(join(scratch, "file"), "");
    for (const dockerHost of [`unix://${scratch}/none.sock`, `unix://${scratch}/file`]) {
      await expect(pull(`docker-daemon:${name}`, { ...options, dockerHost })).rejects.toMatchObject({
        code: "E_SOURCE",
        message: expect.stringContaining(dockerHost.slice(7)),
      });
    }
    for (const dockerHost of ["tcp://127.0.0.1:2375", "ssh://host", "docker.sock"]) {
      await expect(pull(`docker-daemon:${name}`, { ...options, dockerHost })).rejects.toMatchObject({
        code: "E_SETTINGS",
      });
    }
  });

  it("is not waited for any longer once that is asked for", async () => {
    const stop = new AbortController();
    engine.fault = () => !!setImmediate(() => stop.abort(new Error("stopped")));
    await expect(pull(`docker-daemon:${name}`, { ...options, signal: stop.signal })).rejects.toThrow("stopped");
  });
});

describe("a Docker daemon as destination", () => {
  it("is given an archive that skopeo reads as the same image", async () => {
    await load("docker-daemon:team/given");
    expect(engine.requests.at(-1)).toBe("POST /images/load?quiet=1");
    await writeFile(join(scratch, "given.tar"), engine.loaded.at(-1) ?? "");
    const archive = `docker-archive:${scratch}/given.tar`;
    await run("skopeo", "copy", "-q", `${archive}:team/given:latest`, `dir:${scratch}/given`);
    expect((await pull(`dir:${scratch}/given`)).tars).toEqual(expected.tars);
    expect((await pull(archive)).configBytes).toEqual(expected.configBytes);
    expect(await readdir(options.cacheDirectory)).toEqual([]);
  });

  it.each<[string, FakeEngine["fault"]]>([
    ["at once", (_, response) => !!response.writeHead(400).end('{"message":"no room"}')],
    [
      "in the midst of the archive",
      (request, response) => !!request.once("data", () => response.writeHead(500).end('{"message":"no room"}')),
    ],
    [
      "at its end",
      (request, response) =>
        !!request
          .resume()
          .on("end", () =>
            response
              .writeHead(200)
              .end('{"stream":"Loading"}\n{"errorDetail":{"message":"no room"},"error":"no room"}\n'),
          ),
    ],
  ])("that refuses it %s is believed", async (_, fault) => {
    engine.fault = fault;
    await expect(load("docker-daemon:team/given:v1")).rejects.toMatchObject({
      code: "E_SOURCE",
      message: expect.stringContaining("no room"),
    });
    expect(await readdir(options.cacheDirectory)).toEqual([]);
  });

  it("wants a name", async () => {
    for (const what of [expected.digest, `team/given@${expected.digest}`]) {
      await expect(openDestination(parseReference(`docker-daemon:${what}`), options)).rejects.toMatchObject({
        code: "E_REFERENCE",
      });
    }
  });
});
