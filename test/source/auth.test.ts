import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parsePlatform } from "../../src/image/platform.ts";
import { parseReference } from "../../src/image/reference.ts";
import { isSameSite } from "../../src/source/auth.ts";
import { parseChallenge } from "../../src/source/challenge.ts";
import { findCredentials } from "../../src/source/credentials.ts";
import { openSource } from "../../src/source/open.ts";
import { startRegistry } from "../bed/registry.ts";
import { addImage, type FakeRegistry, refuse, startFakeRegistry } from "../fakes/registry.ts";
import { pull, testOptions } from "./pull.ts";

const basic = Buffer.from("somebody:s3cr3t").toString("base64");
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-auth-"));
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

async function authFile(auths: object): Promise<string> {
  const file = join(scratch, `${Math.random()}.json`);
  await writeFile(file, JSON.stringify({ auths }));
  return file;
}

describe("token authentication", () => {
  let fake: FakeRegistry;
  let tokens: FakeRegistry;
  let issued: number;
  /** The tokens that the registry takes at present. */
  let valid: (token: string) => boolean;
  /** How the registry names the token server. */
  let realmHost: string;

  beforeEach(async () => {
    fake = await startFakeRegistry();
    tokens = await startFakeRegistry();
    addImage(fake, "v1", gzipSync("layer"), Buffer.from("layer"));
    issued = 0;
    valid = () => true;
    realmHost = tokens.host;
    tokens.fault = (_request, response) => {
      issued += 1;
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ token: `token-${issued}` }));
      return true;
    };
    fake.fault = (request, response) => {
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
      return (token === undefined || !valid(token)) && challenge(request, response);
    };
  });

  afterEach(() => Promise.all([fake.stop(), tokens.stop()]));

  function challenge(_request: IncomingMessage, response: ServerResponse): true {
    const asked = `Bearer realm="http://${realmHost}/token",service="the registry",scope="repository:team/app:pull"`;
    return refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": asked });
  }

  it("fetches one token for the whole pull, anonymously where there are no credentials", async () => {
    await pull(`${fake.host}/team/app:v1`);
    expect(tokens.requests.map((request) => [request.path, request.headers.authorization])).toEqual([
      ["/token?service=the+registry&scope=repository%3Ateam%2Fapp%3Apull", undefined],
    ]);
    expect(fake.requests.at(-1)?.headers.authorization).toBe("Bearer token-1");
  });

  it("goes on with a new token when the old one expires in the middle", async () => {
    valid = (token) => token === (fake.requests.length > 3 ? "token-2" : "token-1");
    expect((await pull(`${fake.host}/team/app:v1`)).tars).toHaveLength(1);
    expect(issued).toBe(2);
  });

  it("gives credentials to a token server of the registry's own site", async () => {
    await pull(`${fake.host}/team/app:v1`, { authFiles: [await authFile({ [fake.host]: { auth: basic } })] });
    expect(tokens.requests[0]?.headers.authorization).toBe(`Basic ${basic}`);
    expect(fake.requests.some((request) => request.headers.authorization?.startsWith("Basic"))).toBe(false);
  });

  it("gives no credentials to a token server elsewhere, unless they are that server's", async () => {
    realmHost = tokens.host.replace("127.0.0.1", "localhost");
    await pull(`${fake.host}/team/app:v1`, { authFiles: [await authFile({ [fake.host]: { auth: basic } })] });
    expect(tokens.requests[0]?.headers.authorization).toBeUndefined();
    await pull(`${fake.host}/team/app:v1`, { authFiles: [await authFile({ [realmHost]: { auth: basic } })] });
    expect(tokens.requests[1]?.headers.authorization).toBe(`Basic ${basic}`);
  });

  it("asks for one new token, though several layers meet the end of the old one", async () => {
    const source = openSource(parseReference(`${fake.host}/team/app:v1`), testOptions);
    const { manifest } = await source.resolve(parsePlatform("linux/amd64"));
    const before = issued;
    valid = (token) => token !== `token-${before}`;
    const [layer] = manifest.layers;
    if (layer === undefined) throw new Error("the image has no layer");
    await Promise.all([1, 2, 3].map(async () => (await source.openBlob(layer))[Symbol.asyncIterator]().next()));
    await source.close();
    expect(issued).toBe(before + 1);
  });

  it("of a registry with TLS never goes to a token server without", async () => {
    const registry = await startRegistry({ tls: true, tokenServer: `http://${tokens.host}/token` });
    const failure = pull(`${registry.host}/team/app:v1`, { tlsVerify: true, ca: [registry.ca ?? ""] });
    await expect(failure).rejects.toMatchObject({ code: "E_AUTH", message: expect.stringContaining("plain HTTP") });
    expect(tokens.requests).toEqual([]);
    await registry.stop();
  });

  it("ends after one new token is refused too", async () => {
    valid = () => false;
    await expect(pull(`${fake.host}/team/app:v1`)).rejects.toMatchObject({ code: "E_AUTH" });
    expect(issued).toBe(1);
  });

  it("never shows a credential, even if the registry repeats it", async () => {
    fake.fault = (request, response) => {
      if (request.headers.authorization === undefined) return challenge(request, response);
      return refuse(response, 403, `DENIED s3cr3t ${basic} ${request.headers.authorization}`);
    };
    const authFiles = [await authFile({ [fake.host]: { auth: basic } })];
    const error = await pull(`${fake.host}/team/app:v1`, { authFiles }).catch((caught) => caught);
    expect(error).toMatchObject({ code: "E_AUTH" });
    expect(error.message).toContain("DENIED *** *** Bearer ***");
    expect(`${error.message}${error.hint}${error.stack}`).not.toMatch(new RegExp(`s3cr3t|${basic}|token-1`));
  });

  it.each([
    ["a web page", "<html></html>"],
    ["no token", "{}"],
    ["a token that would be two headers", JSON.stringify({ token: "a\r\nX-Other: b" })],
    ["a token without end", JSON.stringify({ token: "a".repeat(2 * 1024 * 1024) })],
  ])("refuses a token server that answers with %s", async (_what, body) => {
    tokens.fault = (_request, response) => {
      response.writeHead(200).end(body);
      return true;
    };
    await expect(pull(`${fake.host}/team/app:v1`)).rejects.toMatchObject({ code: "E_REGISTRY" });
  });

  it("passes on what the token server says against it", async () => {
    tokens.fault = (_request, response) => refuse(response, 401, "WRONG_PASSWORD");
    await expect(pull(`${fake.host}/team/app:v1`)).rejects.toMatchObject({
      code: "E_AUTH",
      message: expect.stringContaining("WRONG_PASSWORD"),
    });
  });
});

describe("credentials", () => {
  const encode = (password: string): { readonly auth: string } => ({
    auth: Buffer.from(`u:${password}`).toString("base64"),
  });

  it.each([
    ["reg.example", "a/b", "reg.example"],
    ["reg.example", "team/other", "reg.example/team"],
    ["reg.example", "team/app", "reg.example/team/app"],
    ["reg.example", "team/app/x", "reg.example/team/app"],
    ["reg.example", "teams/app", "reg.example"],
    ["reg.example:5000", "team/app", "reg.example:5000"],
    ["docker.io", "library/busybox", "https://index.docker.io/v1/"],
    ["old.example", "x", "https://old.example/v1/"],
    ["other.example", "x", undefined],
  ])("for %s/%s are those under %s", async (host, repository, key) => {
    const keys = [
      "reg.example",
      "reg.example/team",
      "reg.example/team/app",
      "reg.example:5000",
      "https://index.docker.io/v1/",
      "https://old.example/v1/",
    ];
    const file = await authFile(Object.fromEntries(keys.map((one) => [one, encode(one)])));
    expect((await findCredentials({ files: [join(scratch, "absent"), file] }, host, repository))?.password).toBe(key);
  });

  it("come from the first file that has any", async () => {
    const files = [
      await authFile({ other: encode("0") }),
      await authFile({ reg: encode("1") }),
      await authFile({ reg: encode("2") }),
    ];
    expect((await findCredentials({ files }, "reg", "x"))?.password).toBe("1");
  });

  it("in a broken file are an error that does not quote it", async () => {
    const file = join(scratch, "broken.json");
    await writeFile(file, '{"auths": {"reg": {"auth": "s3cr3t"');
    const error = await findCredentials({ files: [file] }, "reg", "x").catch((caught) => caught);
    expect(error).toMatchObject({ code: "E_AUTH" });
    expect(`${error.message}${error.hint}`).not.toContain("s3cr3t");
  });
});

describe("a token server is of the registry's site", () => {
  it.each([
    ["auth.docker.io", "registry-1.docker.io", true],
    ["gitlab.com", "registry.gitlab.com", true],
    ["ghcr.io", "ghcr.io", true],
    ["evil.example", "registry.example.com", false],
    ["notexample.com", "example.com", false],
    ["evil.co.uk", "registry.co.uk", false],
    ["auth.firm.co.uk", "registry.firm.co.uk", true],
    ["localhost", "127.0.0.1", false],
    ["10.0.0.2", "10.0.0.1", false],
    ["a", "b", false],
  ])("%s for %s: %s", (realm, registry, expected) => {
    expect(isSameSite(realm, registry)).toBe(expected);
  });
});

describe("a challenge", () => {
  it.each([
    [
      'Bearer realm="https://a/t",service="s, with comma",scope=x',
      "bearer",
      { realm: "https://a/t", service: "s, with comma", scope: "x" },
    ],
    ['Basic realm="x", Bearer realm="https://a/t"', "bearer", { realm: "https://a/t" }],
    ['basic realm="x"', "basic", {}],
    ['bearer REALM="first", realm="second \\"q\\""', "bearer", { realm: "first" }],
    ["Negotiate", "other", {}],
    ["", "other", {}],
  ])("%s", (header, scheme, parameters) => {
    const parsed = parseChallenge(header);
    expect([parsed.scheme, Object.fromEntries(parsed.parameters)]).toEqual([scheme, parameters]);
  });
});
