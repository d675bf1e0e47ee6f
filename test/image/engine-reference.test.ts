import { describe, expect, it } from "vitest";
import { type Digest, hexOf } from "../../src/image/digest.ts";
import { containerNameOf, formatReference, parseReference, type Reference } from "../../src/image/reference.ts";

const digest: Digest = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("a reference to an image of a container engine", () => {
  it.each<[string, Reference]>([
    ["docker-daemon:etcd", { kind: "docker-daemon", name: { repository: "etcd", tag: "latest" } }],
    ["docker-daemon:h.io:5/a/b:c", { kind: "docker-daemon", name: { repository: "h.io:5/a/b", tag: "c" } }],
    [`docker-daemon:a@${digest}`, { kind: "docker-daemon", name: { repository: "a", digest } }],
    [`docker-daemon:${digest}`, { kind: "docker-daemon", id: digest }],
    ["containers-storage:a", { kind: "containers-storage", name: { repository: "a", tag: "latest" } }],
    [
      "containers-storage:h.io/a:b@abc",
      { kind: "containers-storage", name: { repository: "h.io/a", tag: "b" }, id: "abc" },
    ],
    [`containers-storage:a@${digest}`, { kind: "containers-storage", name: { repository: "a", digest } }],
    [
      `containers-storage:a@${digest}@abc`,
      { kind: "containers-storage", name: { repository: "a", digest }, id: "abc" },
    ],
    ["containers-storage:@abc", { kind: "containers-storage", id: "abc" }],
    [`containers-storage:${hexOf(digest)}`, { kind: "containers-storage", id: hexOf(digest) }],
    [
      "containers-storage:[overlay@/a/b+/run/c:x=y]a:b",
      { kind: "containers-storage", store: { driver: "overlay", root: "/a/b" }, name: { repository: "a", tag: "b" } },
    ],
    ["containers-storage:[/a]@abc", { kind: "containers-storage", store: { root: "/a" }, id: "abc" }],
  ])("%s is read", (text, reference) => {
    expect(parseReference(text)).toEqual(reference);
    expect(parseReference(formatReference(reference))).toEqual(reference);
  });

  it.each([
    "docker-daemon:",
    "containers-storage:",
    "containers-storage:[overlay@/a]",
    "containers-storage:[a]b",
    "containers-storage:[overlay@a]b",
    "containers-storage:[/a",
    "containers-storage:@",
    "containers-storage:@xyz",
    "containers-storage:a:b:c",
  ])("%s is refused", (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: "E_REFERENCE" }));
  });

  it.each([
    ["docker-daemon:team/etcd:v3", "etcd-v3"],
    ["containers-storage:[/a]localhost/etcd@abc", "etcd"],
    ["containers-storage:@abcdef012345", "abcdef012345"],
  ])("%s names the container %s", (text, name) => {
    expect(containerNameOf(parseReference(text))).toBe(name);
  });
});
