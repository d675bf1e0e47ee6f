import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage, topDigest } from "../bed/images.ts";
import { failureOf, type Ran, runKeelson } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";
import { run } from "../bed/run.ts";

const shelf = openShelf();
const user = { name: "somebody", password: "s3cret-w0rd" };
let scratch: string;
let registry: TestRegistry;
let image: TestImage;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "keelson-token-"));
  [registry, image] = await Promise.all([
    startRegistry({ tls: true, tokensFor: user }),
    shelf.build({ layers: [{ "etc/first": "1\n" }, { "etc/second": "2\n" }] }),
  ]);
  await writeFile(join(scratch, "ca.pem"), registry.ca ?? "");
  const auth = Buffer.from(`${user.name}:${user.password}`).toString("base64");
  await writeFile(join(scratch, "auth.json"), JSON.stringify({ auths: { [registry.host]: { auth } } }));
});

afterAll(() => Promise.all([registry.stop(), rm(scratch, { recursive: true })]));

/** Runs keelson as somebody who has the credentials, or as anybody. */
function keelson(as: "somebody" | "anybody", ...args: readonly string[]): Promise<Ran> {
  const credentials = as === "somebody" ? { REGISTRY_AUTH_FILE: join(scratch, "auth.json") } : {};
  const environment = { SSL_CERT_FILE: join(scratch, "ca.pem"), HOME: scratch, ...credentials };
  return runKeelson(["--json", ...args], { environment });
}

const name = (tag: string): string => `${registry.host}/team/app:${tag}`;

it("a registry that wants tokens is read by anybody, and written to with credentials alone", async () => {
  const refused = await keelson("anybody", "copy", image.reference, `docker://${name("v1")}`);
  expect([refused.status, failureOf(refused).code]).toEqual([1, "E_AUTH"]);
  const copied = await keelson("somebody", "copy", image.reference, `docker://${name("v1")}`);
  expect(copied.status, copied.stderr).toBe(0);
  expect(registry.tokens?.asked.at(-1)).toEqual({ user: user.name, scopes: ["repository:team/app:pull,push"] });
  const inspected = await keelson("anybody", "inspect", name("v1"));
  expect(JSON.parse(inspected.stdout).Digest).toBe(await topDigest(image));
  const back = await keelson("anybody", "copy", `docker://${name("v1")}`, `oci:${join(scratch, "back")}:v1`);
  expect(back.status, back.stderr).toBe(0);
  expect(registry.tokens?.asked.at(-1)).toEqual({ user: undefined, scopes: ["repository:team/app:pull"] });
  const tags = await keelson("anybody", "tags", `${registry.host}/team/app`);
  expect(JSON.parse(tags.stdout)).toMatchObject({ Tags: ["v1"] });
});

it("what skopeo has put there with a token of its own is had, and deleted with credentials", async () => {
  await push(image.reference, name("v2"), { user, unchanged: true });
  expect(
    await run("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${name("v2")}`),
  ).toBe(`${await topDigest(image)}\n`);
  const refused = await keelson("anybody", "delete", name("v2"));
  expect([refused.status, failureOf(refused).code]).toEqual([1, "E_AUTH"]);
  const deleted = await keelson("somebody", "delete", name("v2"));
  expect(deleted.status, deleted.stderr).toBe(0);
});
