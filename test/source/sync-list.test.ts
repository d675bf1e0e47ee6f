import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { KeelsonError } from "../../src/errors.ts";
import { readSyncList } from "../../src/source/sync-list.ts";
import { scratchDirectory } from "../bed/scratch.ts";

async function read(text: string): Promise<unknown> {
  const path = join(scratchDirectory(), "list.yaml");
  writeFileSync(path, text);
  try {
    return await readSyncList(path);
  } catch (error) {
    if (error instanceof KeelsonError) return `${error.code} ${error.message.replace(path, "list")}`;
    throw error;
  }
}

it("the list of skopeo's manual page is read as it is meant, tags as they are written", async () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const text = `
registry.example.com:
    images:
        busybox: []
        nginx:
        redis:
            - "1.0"
            - 1.10
            - ${digest}
    images-by-tag-regex:
        nginx: ^1\\.13\\.[12]-alpine-perl$
    credentials:
        username: john
        password: this is a secret
    tls-verify: true
    cert-dir: /home/john/certs
quay.io:
    tls-verify: false
    images:
        coreos/etcd: [latest]
`;
  expect(await read(text)).toEqual([
    {
      host: "registry.example.com",
      images: new Map([
        ["busybox", []],
        ["nginx", []],
        ["redis", ["1.0", "1.10", digest]],
      ]),
      patterns: new Map([["nginx", /^1\.13\.[12]-alpine-perl$/]]),
      tlsVerify: true,
      credentials: { user: "john", password: "this is a secret" },
      certificates: "/home/john/certs",
    },
    {
      host: "quay.io",
      images: new Map([["coreos/etcd", ["latest"]]]),
      patterns: new Map(),
      tlsVerify: false,
      credentials: undefined,
      certificates: undefined,
    },
  ]);
});

it.each([
  ["nothing", "", "it names no registry"],
  ["a text", "hello", "it is not a mapping"],
  ["no YAML", "a: [", "Flow sequence"],
  ["an unknown key", "a.example: {image: {}}", "a.example: image is not one of images, "],
  ["tags that are no list", "a.example: {images: {app: v1}}", "a.example: app is not a list of tags"],
  ["a tag that is a list", "a.example: {images: {app: [[v1]]}}", "a.example: app is not a text"],
  ["a pattern that is none", "a.example: {images-by-tag-regex: {app: '('}}", "a.example: app: Invalid regular"],
  ["tls-verify", "a.example: {tls-verify: maybe}", "a.example: tls-verify is neither true nor false"],
])("%s is refused", async (_, text, why) => {
  expect(await read(text)).toContain(`E_SETTINGS list: ${why}`);
});
