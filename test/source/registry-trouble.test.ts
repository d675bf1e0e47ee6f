import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { parsePlatform } from "../../src/image/platform.ts";
import { parseReference } from "../../src/image/reference.ts";
import { openSource } from "../../src/source/open.ts";
import { type FaultyRegistry, startFaultyRegistry, stored, tar } from "../fakes/faulty-registry.ts";
import { addImage, addManifest, type FakeRegistry, refuse, startFakeRegistry } from "../fakes/registry.ts";
import { pull, testOptions } from "./pull.ts";

const timing = { connect: 5_000, headers: 5_000, idle: 5_000, backoff: 1, longestWait: 20, patience: 20_000 };
let faulty: FaultyRegistry;
let other: FakeRegistry;

beforeEach(async () => {
  faulty = await startFaultyRegistry();
  other = await startFakeRegistry();
});

afterEach(() => Promise.all([faulty.stop(), other.stop()]));

describe("a registry in trouble", () => {
  it.each([429, 500, 503])("is asked again after %i, as it says when", async (status) => {
    let failures = 0;
    faulty.fake.fault = (_request, response) =>
      failures++ < 4 && refuse(response, status, "TOOMANYREQUESTS", { "retry-after": "0" });
    // The first request is the one that finds out whether HTTPS is spoken; it never arrives at this server.
    expect((await pull(faulty.reference)).tars).toEqual([digestOf(tar)]);
    expect(failures).toBeGreaterThanOrEqual(5);
  });

  it("is asked again at the date that it names", async () => {
    let failures = 0;
    faulty.fake.fault = (_request, response) =>
      failures++ < 2 &&
      refuse(response, 429, "TOOMANYREQUESTS", { "retry-after": new Date(Date.now() - 1000).toUTCString() });
    expect((await pull(faulty.reference, { timing: { ...timing, backoff: 20_000 } })).tars).toEqual([digestOf(tar)]);
  });

  it("is asked no more once it has wanted more time than there is patience for", async () => {
    faulty.fake.fault = (_request, response) => refuse(response, 429, "TOOMANYREQUESTS", { "retry-after": "3600" });
    const failure = pull(faulty.reference, { timing: { ...timing, longestWait: 60_000, patience: 59_000 } });
    await expect(failure).rejects.toMatchObject({ code: "E_REGISTRY", message: expect.stringContaining("status 429") });
    expect(faulty.fake.requests).toHaveLength(1);
  });

  it("is not quoted when it answers with a web page", async () => {
    faulty.fake.fault = (_request, response) => {
      response.writeHead(502, { "content-type": "text/html" }).end("<html>Bad gateway</html>");
      return true;
    };
    await expect(pull(faulty.reference)).rejects.toThrow(
      `${faulty.fake.host}, repository team/app: status 502: it answered with a web page`,
    );
  });

  it("is given up when it sends its headers byte by byte", async () => {
    const dribble: NodeJS.Timeout[] = [];
    faulty.fake.fault = (request) => {
      request.socket.write("HTTP/1.1 200 OK\r\nx: ");
      dribble.push(setInterval(() => request.socket.write("a"), 5));
      return true;
    };
    const short = { ...timing, headers: 60, patience: 0 };
    await expect(pull(faulty.reference, { timing: short })).rejects.toMatchObject({ code: "E_REGISTRY" });
    dribble.forEach(clearInterval);
    expect(faulty.fake.requests).toHaveLength(1);
  });

  it("is asked five times and no more, and its words are passed on", async () => {
    faulty.fake.fault = (_request, response) => refuse(response, 503, "UNAVAILABLE\u001b[31m");
    const failure = pull(faulty.reference);
    await expect(failure).rejects.toMatchObject({ code: "E_REGISTRY" });
    await expect(failure).rejects.toThrow("status 503: UNAVAILABLE\\u001b[31m: unavailable");
    expect(faulty.fake.requests).toHaveLength(5);
  });

  it("is given up when it accepts connections and says nothing", async () => {
    faulty.fake.fault = () => true;
    const timing = { connect: 1000, headers: 50, idle: 50, backoff: 1, longestWait: 5, patience: 20_000 };
    await expect(pull(faulty.reference, { timing })).rejects.toMatchObject({ code: "E_REGISTRY" });
  });

  it("is asked again after it broke the connection before it answered", async () => {
    let broken = 0;
    faulty.fake.fault = (request) => {
      if (broken >= 3) return false;
      broken += 1;
      request.socket.resetAndDestroy();
      return true;
    };
    expect((await pull(faulty.reference)).tars).toEqual([digestOf(tar)]);
  });

  it("is named when nothing listens there", async () => {
    await other.stop();
    const failure = pull(`${other.host}/team/app:v1`);
    await expect(failure).rejects.toMatchObject({ code: "E_REGISTRY" });
    await expect(failure).rejects.toThrow(`${other.host}, repository team/app`);
    other = await startFakeRegistry();
  });

  it("stops when told to, with the reason given", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    faulty.onLayer((_request, response) => {
      response.writeHead(200, { "content-length": stored.length }).write(stored.subarray(0, 1000));
      setImmediate(() => stop.abort(reason));
      return true;
    });
    await expect(pull(faulty.reference, { signal: stop.signal })).rejects.toBe(reason);
  });
});

describe("a registry that would send keelson elsewhere", () => {
  it("is not followed by the urls of a layer, and gets no cookie back", async () => {
    const manifest = faulty.fake.manifests.get("v1");
    const document = JSON.parse(manifest?.bytes.toString() ?? "");
    document.layers[0].urls = [`http://${other.host}/layer`];
    addManifest(faulty.fake, "foreign", document);
    faulty.fake.fault = (_request, response) => {
      response.setHeader("set-cookie", "session=1");
      return false;
    };
    expect((await pull(`${faulty.fake.host}/team/app:foreign`)).tars).toEqual([digestOf(tar)]);
    expect(other.requests).toEqual([]);
    expect(faulty.fake.requests.map(({ headers }) => headers.cookie)).toEqual([undefined, undefined, undefined]);
    expect(new Set(faulty.fake.requests.map(({ headers }) => headers["accept-encoding"]))).toEqual(
      new Set(["identity"]),
    );
  });
});

describe("a redirect", () => {
  const token = "Basic c29tZWJvZHk6c2VjcmV0";

  it("to a storage host is followed without the authorization", async () => {
    other.blobs.set(faulty.layer.digest, stored);
    faulty.onLayer((_request, response) => {
      response.writeHead(307, { location: `http://${other.host}/v2/x/blobs/${faulty.layer.digest}?signature=x` }).end();
      return true;
    });
    const guarded = faulty.fake.fault;
    faulty.fake.fault = (request, response) =>
      request.headers.authorization === undefined
        ? refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="x"' })
        : guarded(request, response);
    const directory = await mkdtemp(join(tmpdir(), "keelson-auth-"));
    await writeFile(
      `${directory}/auth.json`,
      JSON.stringify({ auths: { [faulty.fake.host]: { auth: token.slice(6) } } }),
    );
    expect((await pull(faulty.reference, { authFiles: [`${directory}/auth.json`] })).tars).toEqual([digestOf(tar)]);
    expect(faulty.fake.requests.at(-1)?.headers.authorization).toBe(token);
    expect(other.requests.map((request) => request.headers.authorization)).toEqual([undefined]);
    await rm(directory, { recursive: true });
  });

  it("to nowhere else ends after five", async () => {
    faulty.onLayer((request, response) => {
      response.writeHead(302, { location: request.url ?? "" }).end();
      return true;
    });
    await expect(pull(faulty.reference)).rejects.toMatchObject({ code: "E_REGISTRY" });
    expect(faulty.layerRequests()).toHaveLength(6);
  });
});

describe("a tag", () => {
  it("is looked up once: what it names later is not mixed in", async () => {
    const source = openSource(parseReference(faulty.reference), testOptions);
    const first = await source.resolve(parsePlatform("linux/amd64"));
    addImage(faulty.fake, "v1", gzipSync("another"), Buffer.from("another"));
    const second = await source.resolve(parsePlatform("linux/amd64"));
    await source.close();
    expect(second.digest).toBe(first.digest);
    expect(faulty.fake.requests.filter((request) => request.path.endsWith("/manifests/v1"))).toHaveLength(1);
  });
});
