import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { readLookaside } from "../../src/source/lookaside.ts";
import { readSignaturePlaces } from "../../src/source/registries-d.ts";
import { placeOf } from "../../src/trust/scope.ts";
import { openGpg } from "../bed/gpg.ts";
import { buildImage, type TestImage } from "../bed/images.ts";
import { run } from "../bed/run.ts";
import { scratchDirectory } from "../bed/scratch.ts";
import { makeTrustHome } from "../bed/trust.ts";
import { judged } from "./judged.ts";
import { testOptions } from "./pull.ts";

const digest = `sha256:${"a".repeat(64)}` as const;
const gpg = openGpg();
const key = gpg.makeKey("one@example.com");

let image: TestImage;

beforeAll(async () => {
  image = await buildImage({ layers: [{ file: "content" }] });
});

afterAll(() => image.remove());

describe("registries.d", () => {
  const scopes = placeOf(parseReference("quay.io/team/app:v1"), "").scopes;

  /** A host's root with these files in registries.d. */
  async function root(files: Readonly<Record<string, string>>): Promise<string> {
    const prefix = scratchDirectory();
    const directory = join(prefix, "etc/containers/registries.d");
    await mkdir(directory, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    return prefix;
  }

  it.each<[string, Readonly<Record<string, string>>, string, boolean]>([
    ["nothing", {}, "/var/lib/containers/sigstore", false],
    [
      "a file of another name",
      { "a.yml": "default-docker: {lookaside: 'https://a'}" },
      "/var/lib/containers/sigstore",
      false,
    ],
    ["an empty file", { "a.yaml": "# nothing yet\n" }, "/var/lib/containers/sigstore", false],
    [
      "a default",
      { "a.yaml": "default-docker:\n  lookaside: https://a.example/sigs/\n" },
      "https://a.example/sigs",
      false,
    ],
    ["the older key", { "a.yaml": "default-docker:\n  sigstore: file:///srv/sigs%20x\n" }, "/srv/sigs x", false],
    [
      "the newer key before it",
      { "a.yaml": "default-docker: {sigstore: 'https://a', lookaside: 'https://b'}" },
      "https://b",
      false,
    ],
    [
      "the narrowest scope",
      {
        "a.yaml": "default-docker: {lookaside: 'https://a', use-sigstore-attachments: false}",
        "b.yaml":
          "docker:\n  quay.io: {lookaside: 'https://b'}\n  quay.io/team/app: {use-sigstore-attachments: true}\n",
        "c.yaml": "docker: {quay.io/team: {lookaside: 'https://c'}, quay.io/team/apps: {lookaside: 'https://d'}}",
      },
      "https://c",
      true,
    ],
  ])("that says %s", async (_, files, where, attachments) => {
    const prefix = await root(files);
    const places = await readSignaturePlaces({ prefix, home: "/nonexistent" }, scopes);
    const lookaside = where.startsWith("/")
      ? { kind: "directory", path: prefix + where }
      : { kind: "server", url: where };
    expect(places).toEqual({ lookaside, attachments });
  });

  it.each([
    ["is not YAML", { "a.yaml": "a: [" }],
    ["has a key twice", { "a.yaml": "docker: {a: {}, a: {}}" }],
    ["is a list", { "a.yaml": "- a" }],
    ["has a scope of another file", { "a.yaml": "docker: {quay.io: {}}", "b.yaml": "docker: {quay.io: {}}" }],
    [
      "has a second default",
      { "a.yaml": "default-docker: {lookaside: 'https://a'}", "b.yaml": "default-docker: {lookaside: 'https://a'}" },
    ],
    ["names no URL", { "a.yaml": "docker: {quay.io: {lookaside: /srv/sigs}}" }],
    ["names another kind of URL", { "a.yaml": "docker: {quay.io: {lookaside: 'ftp://a/b'}}" }],
    ["says yes where true is meant", { "a.yaml": "docker: {quay.io: {use-sigstore-attachments: 'yes'}}" }],
  ])("that %s is refused", async (_, files) => {
    const prefix = await root(files);
    const read = readSignaturePlaces({ prefix, home: "/nonexistent" }, scopes);
    await expect(read).rejects.toMatchObject({ code: "E_SETTINGS", message: expect.stringContaining(".yaml") });
  });

  it("of a person comes before the host's", async () => {
    const prefix = await root({ "a.yaml": "default-docker: {lookaside: 'https://host'}" });
    const { places } = makeTrustHome({ default: [] });
    const { lookaside } = await readSignaturePlaces({ ...places, prefix }, scopes);
    expect(lookaside).toEqual({ kind: "directory", path: join(places.home, "lookaside") });
  });
});

describe("a lookaside on a server", () => {
  /** Answers what `files` has for a path, and 404 for the rest. */
  async function serve(files: Readonly<Record<string, Buffer | number>>): Promise<{ url: string; asked: string[] }> {
    const asked: string[] = [];
    const server: Server = createServer((request, response) => {
      const path = request.url ?? "";
      asked.push(path);
      const answer = files[path] ?? 404;
      if (typeof answer === "number") response.writeHead(answer).end();
      else response.end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/sigs`, asked };
  }

  const first = `/sigs/team/app@sha256=${"a".repeat(64)}/signature-1`;
  const second = first.replace(/1$/, "2");
  const read = (url: string) => readLookaside({ kind: "server", url }, "team/app", digest, testOptions);

  it("gives signatures until one is missing", async () => {
    const message = gpg.sign(key, "hello");
    const { url, asked } = await serve({ [first]: message, [second]: message });
    expect(await read(url)).toEqual([1, 2].map(() => ({ kind: "openpgp", bytes: message })));
    expect(asked).toEqual([first, second, first.replace(/1$/, "3")]);
  });

  it.each([403, 500])("that answers %i ends the matter", async (status) => {
    const { url } = await serve({ [first]: status });
    await expect(read(url)).rejects.toMatchObject({
      code: "E_REGISTRY",
      message: expect.stringContaining(String(status)),
    });
  });

  it("that gives something else ends the matter", async () => {
    const { url } = await serve({ [first]: Buffer.from("<html>") });
    await expect(read(url)).rejects.toMatchObject({
      code: "E_POLICY",
      message: expect.stringContaining("signature-1"),
    });
  });

  it("that cannot be reached ends the matter", async () => {
    await expect(read("http://127.0.0.1:1/sigs")).rejects.toMatchObject({ code: "E_REGISTRY" });
  });
});

it("signatures that skopeo writes beside an image in a directory are read", async () => {
  const directory = join(scratchDirectory(), "image");
  const identity = "registry.example.com/app:v1";
  const environment = `GNUPGHOME=${gpg.home}`;
  const sign = ["--sign-by", key, "--sign-identity", identity];
  await run("env", environment, "skopeo", "copy", "-q", ...sign, image.reference, `dir:${directory}`);
  const keyData = gpg.publicKey(key).toString("base64");
  const signedIdentity = { type: "exactReference", dockerReference: identity };
  const policy = { default: [{ type: "signedBy", keyType: "GPGKeys", keyData, signedIdentity }] };
  const verdict = await judged(`dir:${directory}`, makeTrustHome(policy).places);
  expect(verdict).toMatchObject({ kind: "signed", by: [key] });
});
