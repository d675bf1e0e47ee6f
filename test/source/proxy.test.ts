import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { proxyFor } from "../../src/source/proxy.ts";
import { buildImage, push, type TestImage } from "../bed/images.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { type FakeProxy, startFakeProxy } from "../fakes/proxy.ts";
import { addImage, type FakeRegistry, startFakeRegistry } from "../fakes/registry.ts";
import { pull } from "./pull.ts";

const password = "pr0xy-Passw0rd";

describe("a proxy", () => {
  let registry: TestRegistry;
  let fake: FakeRegistry;
  let image: TestImage;
  let proxy: FakeProxy | undefined;

  beforeAll(async () => {
    [registry, fake, image] = await Promise.all([
      startRegistry({ tls: true }),
      startFakeRegistry(),
      buildImage({ layers: [{ file: "1" }] }),
    ]);
    await push(image.reference, `${registry.host}/team/app:v1`);
    addImage(fake, "v1", gzipSync("layer"), Buffer.from("layer"));
  });

  afterEach(() => proxy?.stop());
  afterAll(() => Promise.all([registry.stop(), fake.stop(), image.remove()]));

  it("is asked for a tunnel to a registry with TLS, whose certificate is checked through it", async () => {
    proxy = await startFakeProxy(registry.host, { credentials: `me:${password}` });
    const proxies = { https: `http://me:${password}@${proxy.host}`, except: "" };
    const pulled = await pull("registry.example/team/app:v1", { tlsVerify: true, ca: [registry.ca ?? ""], proxies });
    expect(pulled.tars).toEqual(pulled.config.diffIds);
    expect(new Set(proxy.requests)).toEqual(new Set(["CONNECT registry.example:443"]));
    await expect(pull("registry.example/team/app:v1", { tlsVerify: true, proxies })).rejects.toMatchObject({
      code: "E_REGISTRY",
      hint: expect.stringContaining("certificate"),
    });
  });

  it("is given the whole URL for plain HTTP", async () => {
    proxy = await startFakeProxy(fake.host, { tunnels: false });
    const proxies = { http: `http://${proxy.host}`, https: `http://${proxy.host}`, except: "" };
    expect((await pull("registry.example:5000/team/app:v1", { proxies })).tars).toEqual([
      digestOf(Buffer.from("layer")),
    ]);
    expect(proxy.requests[0]).toBe("CONNECT registry.example:5000");
    expect(proxy.requests[1]).toBe("GET http://registry.example:5000/v2/team/app/manifests/v1");
  });

  it.each([
    ["wrong credentials", "me:right"],
    ["no way through", undefined],
  ])("that has %s for it is named without its password", async (_what, credentials) => {
    proxy = await startFakeProxy(registry.host, { tunnels: false, ...(credentials !== undefined && { credentials }) });
    const proxies = { https: `http://me:${password}@${proxy.host}`, except: "" };
    const failure = await pull("registry.example/team/app:v1", { tlsVerify: true, proxies }).catch((error) => error);
    expect(failure).toMatchObject({ code: "E_REGISTRY", hint: expect.stringContaining("HTTPS_PROXY") });
    expect(failure.message).toContain("registry.example, repository team/app");
    const basic = Buffer.from(`me:${password}`).toString("base64");
    expect(`${failure.message}${failure.stack}${failure.cause?.stack}`).not.toMatch(new RegExp(`${password}|${basic}`));
  });

  it("is left out for hosts of NO_PROXY", async () => {
    proxy = await startFakeProxy(registry.host);
    const proxies = { https: `http://${proxy.host}`, except: "example" };
    await expect(pull("registry.example/team/app:v1", { tlsVerify: true, proxies })).rejects.toMatchObject({
      code: "E_REGISTRY",
    });
    expect(proxy.requests).toEqual([]);
  });
});

describe("NO_PROXY", () => {
  it.each([
    ["", "https://a.example/", true],
    ["*", "https://a.example/", false],
    ["a.example", "https://a.example/", false],
    ["A.Example", "https://a.example/", false],
    ["example", "https://a.example/", false],
    [".example", "https://a.example/", false],
    ["*.example", "https://a.example/", false],
    [".a.example", "https://a.example/", true],
    ["a.example", "https://ba.example/", true],
    ["xample", "https://a.example/", true],
    ["b.example, a.example", "https://a.example/", false],
    ["a.example:443", "https://a.example/", false],
    ["a.example:5000", "https://a.example/", true],
    ["a.example:5000", "https://a.example:5000/", false],
    ["a.example:80", "http://a.example/", false],
    ["10.0.0.1", "https://10.0.0.1/", false],
    ["10.0.0.1:443", "https://10.0.0.1/", false],
    ["10.0.0.1", "https://10.0.0.10/", true],
    ["10.0.0.0/8", "https://10.1.2.3/", false],
    ["10.0.0.0/33", "https://10.1.2.3/", true],
    ["10.0.0.0/8", "https://11.1.2.3/", true],
    ["10.0.0.0/8", "https://a.example/", true],
    ["fd00::/8", "https://[fd00::1]:5000/", false],
    ["[fd00::1]:5000", "https://[fd00::1]:5000/", false],
    ["fd00::1", "https://[fd00::1]/", false],
    ["", "https://localhost:5000/", false],
    ["", "https://127.0.0.2/", false],
    ["", "https://[::1]/", false],
  ])("%s: %s through the proxy: %s", (except, url, proxied) => {
    const proxies = { http: "http://p.example", https: "http://p.example", except };
    expect(proxyFor(new URL(url), proxies)).toBe(proxied ? "http://p.example" : undefined);
  });

  it("counts for each kind of URL by itself", () => {
    expect(proxyFor(new URL("http://a.example/"), { https: "http://p.example", except: "" })).toBeUndefined();
  });
});
