import fc from "fast-check";
import { expect, it } from "vitest";
import type { Digest } from "../../src/image/digest.ts";
import { parseIni } from "../../src/ini.ts";
import { formatLock, lockedDigest, lockPathOf, parseLock } from "../../src/plan/lock-file.ts";

const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}`;

it("is a line for each container, in the order of their names", () => {
  const lock = new Map([
    ["net-1.2", { image: "host:5000/net:v1", digest: digest("b") }],
    ["etcd", { image: "oci:/srv/a b;c:latest", digest: digest("a") }],
  ]);
  const text = `# Written by keelson lock; keelson apply takes these images and no others.
etcd = "oci:/srv/a b;c:latest@${digest("a")}"
net-1.2 = host:5000/net:v1@${digest("b")}
`;
  expect(formatLock(lock)).toBe(text);
  expect(parseLock("/x.lock", parseIni(text))).toEqual(lock);
});

it("is read back as it was, and does not depend on the order", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,8}$/);
  const image = fc.stringMatching(/^[a-z]{1,5}:?[/ a-z0-9:@"';#=\\[\]]{0,12}[a-z]$/);
  const entry = fc.tuple(name, fc.record({ image, digest: fc.constantFrom(digest("a"), digest("f")) }));
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: ([key]) => key }), (rows) => {
      const text = formatLock(new Map(rows));
      expect(formatLock(new Map(rows.toReversed()))).toBe(text);
      expect(new Map(parseLock("/x.lock", parseIni(text)))).toEqual(new Map(rows));
    }),
  );
});

it.each([
  ["etcd = host/etcd:v1", "/x.lock: etcd is not of the form IMAGE@DIGEST"],
  ["etcd = host/etcd@sha256:12", "/x.lock: etcd is not of the form IMAGE@DIGEST"],
  ["[etcd]\nimage = a", "/x.lock: etcd is not of the form IMAGE@DIGEST"],
])("%j is refused", (text, message) => {
  expect(() => parseLock("/x.lock", parseIni(text))).toThrow(message);
});

it("has to be of the same stack", () => {
  const lock = new Map([["etcd", { image: "host/etcd:v1", digest: digest("a") }]]);
  expect(lockedDigest("etcd", "host/etcd:v1", lock, "/x.lock")).toBe(digest("a"));
  expect(lockedDigest("etcd", "host/etcd:v1", undefined, "/x.lock")).toBeUndefined();
  expect(() => lockedDigest("etcd", "host/etcd:v2", lock, "/x.lock")).toThrow(
    "/x.lock has host/etcd:v1 for etcd, whose image is host/etcd:v2",
  );
  expect(() => lockedDigest("net", "host/net", lock, "/x.lock")).toThrow("/x.lock does not have net");
  expect([lockPathOf("/a/node.conf"), lockPathOf("/a/node.d/stack")]).toEqual(["/a/node.lock", "/a/node.d/stack.lock"]);
});
