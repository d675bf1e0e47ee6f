import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openGpg } from "../bed/gpg.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage, topDigest } from "../bed/images.ts";
import { environment, failureOf, type Host, makeHost, runToEnd } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";

const shelf = openShelf();
const gpg = openGpg();
const key = gpg.makeKey("one@example.com");
const stranger = gpg.makeKey("two@example.com");

let registry: TestRegistry;
let etcd: TestImage;
let digest: string;
let reference: string;

beforeAll(async () => {
  [registry, etcd] = await Promise.all([startRegistry(), shelf.build({ layers: [etcdLike()] })]);
  digest = await topDigest(etcd);
  reference = `${registry.host}/team/etcd:v1`;
  await push(etcd.reference, reference);
});

afterAll(() => registry.stop());

const setPolicy = (host: Host, policy: object): void =>
  host.write("/etc/containers/policy.json", JSON.stringify(policy));

/** A policy that wants a signature by `key` of what comes from the registry, and rejects the rest. */
function demandKey(host: Host): void {
  host.write("/etc/pki/one.gpg", gpg.publicKey(key, "--armor"));
  const requirement = { type: "signedBy", keyType: "GPGKeys", keyPath: "/etc/pki/one.gpg" };
  setPolicy(host, {
    default: [{ type: "reject" }],
    transports: { docker: { [`${registry.host}/team`]: [requirement] } },
  });
}

/** Puts a signature into the lookaside that is read where registries.d says nothing. */
function signImage(host: Host, by: string): void {
  const image = { "docker-manifest-digest": digest };
  const identity = { "docker-reference": reference };
  const text = JSON.stringify({ critical: { type: "atomic container signature", image, identity }, optional: {} });
  const path = `/var/lib/containers/sigstore/team/etcd@${digest.replace(":", "=")}/signature-1`;
  host.write(path, gpg.sign(by, text));
}

const install = ["install", "--tls-verify=false", "--name", "etcd"] as const;

/** What info says of the container, or the image: its line for people, and its JSON. */
async function told(host: Host, name: string): Promise<readonly [string | undefined, unknown]> {
  const { stdout } = await host.keelson("info", name);
  const { verified } = await host.answer<{ verified: unknown }>("info", name);
  return [/^verified: (.*)$/m.exec(stdout)?.[1], verified];
}

describe("info says of an image", () => {
  it("without a policy that it is unverified", async () => {
    const host = await makeHost();
    await host.answer(...install, reference);
    const expected = ["unverified: there is no policy.json", { kind: "unverified", by: [] }];
    expect(await told(host, "etcd")).toEqual(expected);
    expect(await told(host, reference)).toEqual(expected);
  });

  it("that needed no signature that the policy accepted it", async () => {
    const host = await makeHost();
    setPolicy(host, { default: [{ type: "insecureAcceptAnything" }] });
    await host.answer(...install, etcd.reference);
    expect(await told(host, "etcd")).toEqual(["accepted by policy without a signature", { kind: "accepted", by: [] }]);
  });

  it("that is signed by whom, and the record keeps it", async () => {
    const host = await makeHost();
    demandKey(host);
    signImage(host, key);
    await host.answer(...install, reference);
    const expected = [`signed by ${key}`, { kind: "signed", by: [key] }];
    expect(await told(host, "etcd")).toEqual(expected);
    expect(await told(host, reference)).toEqual(expected);
    const record = JSON.parse(host.read("/var/lib/keelson/deployments/etcd/1/deployment.json"));
    expect(record.image.verified).toMatchObject({ kind: "signed", by: [key] });
  });
});

describe("an image that the policy does not let in", () => {
  it.each([
    ["unsigned", undefined, /team, signedBy: no signature/],
    ["signed by a stranger", stranger, new RegExp(`not one of the policy's \\(${stranger}\\)`)],
  ])("%s is refused before a layer is fetched, and nothing changes", async (_, by, why) => {
    const host = await makeHost();
    demandKey(host);
    if (by !== undefined) signImage(host, by);
    for (const command of [[...install], ["plan", ...install], ["pull", "--tls-verify=false"]]) {
      const { code, message } = await host.refused(12, ...command, reference);
      expect([code, message]).toEqual(["E_POLICY", expect.stringMatching(why)]);
      expect(message).toContain(`${reference} (${digest}) is refused by ${host.path("/etc/containers/policy.json")}`);
    }
    const { stderr } = await host.keelson(...install, reference);
    expect(stderr).not.toMatch(/layer/);
  });

  it("by its transport is refused", async () => {
    const host = await makeHost();
    demandKey(host);
    const { code, message } = await host.refused(12, "install", etcd.reference);
    expect([code, message]).toEqual(["E_POLICY", expect.stringMatching(/default: rejected by policy/)]);
  });

  it("is refused from the store, too, until it has been verified", async () => {
    const host = await makeHost();
    await host.answer("pull", "--tls-verify=false", reference);
    demandKey(host);
    expect((await host.refused(12, ...install, reference)).message).toMatch(/no signature/);
    signImage(host, key);
    const { status, stderr } = await host.keelson(...install, reference);
    expect([status, stderr]).toEqual([0, expect.not.stringMatching(/layer/)]);
    expect(await told(host, "etcd")).toEqual([`signed by ${key}`, { kind: "signed", by: [key] }]);
    expect(await told(host, reference)).toEqual([`signed by ${key}`, { kind: "signed", by: [key] }]);
  });

  it("is refused when a container is updated, and the old policy's verdict counts no more", async () => {
    const host = await makeHost();
    await host.answer(...install, reference);
    demandKey(host);
    const update = ["update", "--tls-verify=false", "etcd"] as const;
    expect((await host.refused(12, ...update)).message).toMatch(/no signature/);
    signImage(host, key);
    expect((await host.keelson(...update)).stdout).toMatch(/Latest version already installed/);
    expect(await told(host, reference)).toEqual([`signed by ${key}`, { kind: "signed", by: [key] }]);
    // What has been verified under this very policy is not asked about again.
    await rm(host.path("/var/lib/containers"), { recursive: true });
    expect((await host.keelson(...update)).status).toBe(0);
    host.write("/etc/pki/one.gpg", gpg.publicKey(stranger));
    expect((await host.refused(12, ...update)).message).toMatch(/no signature/);
  });

  it("is refused with --offline, where nobody can be asked", async () => {
    const host = await makeHost();
    await host.answer(...install, reference);
    demandKey(host);
    signImage(host, key);
    const { code, message } = await host.refused(12, "update", "--offline", "--set", "A=b", "etcd");
    expect([code, message]).toEqual(["E_POLICY", expect.stringMatching(/has not been verified under the policy/)]);
  });
});

describe("what stands in the way of a verdict is an error:", () => {
  it("a policy that is not well formed", async () => {
    const host = await makeHost();
    setPolicy(host, { default: [{ type: "accept" }] });
    const { code, message } = await host.refused(2, ...install, reference);
    expect([code, message]).toEqual([
      "E_SETTINGS",
      expect.stringMatching(/policy\.json: default\[0\]: its type "accept"/),
    ]);
  });

  it("a key that is not there, or none", async () => {
    const host = await makeHost();
    demandKey(host);
    host.write("/etc/pki/one.gpg", "hello");
    expect((await host.refused(12, ...install, reference)).message).toMatch(/key of signedBy cannot be used/);
    await rm(host.path("/etc/pki/one.gpg"));
    expect((await host.refused(12, ...install, reference)).message).toMatch(/one\.gpg cannot be read \(ENOENT\)/);
  });

  it("a host without gpgv", async () => {
    const host = await makeHost();
    demandKey(host);
    signImage(host, key);
    const without = 'mount --bind /dev/null /usr/bin/gpgv && exec "$@"';
    const command = [await builtProgram(), "--root", host.root, "--json", ...install, reference];
    const ran = await runToEnd("unshare", ["-m", "sh", "-c", without, "sh", ...command], { env: environment });
    const { code, message, hint } = failureOf(ran);
    expect([ran.status, code, message]).toEqual([12, "E_POLICY", expect.stringMatching(/there is no gpgv/)]);
    expect(hint).toMatch(/Install gpgv/);
  });
});

it("a person's own policy comes before the host's", async () => {
  const host = await makeHost();
  setPolicy(host, { default: [{ type: "reject" }] });
  host.write("/home/.config/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}');
  const command = ["--root", host.root, "--json", ...install, etcd.reference];
  const env = { ...environment, HOME: join(host.root, "home") };
  const ran = await runToEnd(await builtProgram(), command, { env });
  expect([ran.status, JSON.parse(ran.stdout).verified]).toEqual([0, { kind: "accepted", by: [] }]);
});
