import { describe, expect, it } from "vitest";
import { KeelsonError } from "../../src/errors.ts";
import { parseIni } from "../../src/ini.ts";
import { parseStack, withStack } from "../../src/plan/stack.ts";

const path = "/etc/keelson/stack.d/node.conf";
const parse = (text: string) => parseStack([{ path, sections: parseIni(text) }]);

function refusal(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof KeelsonError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("it is not refused");
}

const written = `; a comment
[etcd-3.4]
image = host/etcd:v3.4
[etcd-3.4.1]
image = "host/etcd:v3.4.1"
start = false
enable = false
set.ETCD_NAME = a;b ; a comment
set.EMPTY =
set.TRUE = true
provides[] = kv/etcd
requires[] = disk hard
requires[] = net  ready
before = runtime
environment.HTTP_PROXY = http://proxy
mounts./data = /srv/data:ro
limits.nofile = 1024
`;

describe("a stack file", () => {
  it("has a section for each container, whatever dots are in its name", () => {
    const [first, second, ...more] = parse(written);
    expect(more).toEqual([]);
    expect(first).toEqual({
      name: "etcd-3.4",
      image: "host/etcd:v3.4",
      set: new Map(),
      start: true,
      stack: { path, enable: true, overrides: {} },
    });
    expect(second).toEqual({
      name: "etcd-3.4.1",
      image: "host/etcd:v3.4.1",
      set: new Map([
        ["ETCD_NAME", "a"],
        ["EMPTY", ""],
        ["TRUE", "true"],
      ]),
      start: false,
      stack: {
        path,
        enable: false,
        overrides: {
          environment: { HTTP_PROXY: "http://proxy" },
          mounts: { "/data": "/srv/data:ro" },
          limits: { nofile: "1024" },
        },
        relations: {
          provides: ["kv/etcd"],
          requires: [
            { name: "disk", ready: false, hard: true },
            { name: "net", ready: true, hard: false },
          ],
          before: ["runtime"],
        },
      },
    });
  });

  it("may be empty", () => {
    expect(parse("")).toEqual([]);
  });

  it.each([
    ["image = host/a", "E_SETTINGS: PATH: image stands outside a section"],
    ["[a]", "E_SETTINGS: PATH: a: image is missing"],
    ["[a]\nimage = host/a\nimages = host/b", "E_SETTINGS: PATH: a: images is none of image, start, enable,"],
    ["[a]\nimage[] = host/a\nimage[] = host/b", "E_SETTINGS: PATH: a: image has several values"],
    ["[a]\nimage = oci:images/a", "E_SETTINGS: PATH: a: image has a path that is not absolute"],
    ["[a]\nimage = host/a\nstart = yes", "E_SETTINGS: PATH: a: start is neither true nor false"],
    ["[a]\nimage = host/a\nrequires = b soon", "E_SETTINGS: PATH: a: requires says soon; there are ready and hard"],
    ["[a]\nimage = host/a\nrequires = ../b", "E_SETTINGS: PATH: a requires is not a list of names"],
    ["[a]\nimage = host/a\nset.1 = b", "E_SET: PATH: a: Invalid value '1'."],
    ["[a]\nimage = host/a\nset.NAME = b", "E_SET: PATH: a: NAME is set by keelson"],
    ["[a]\nimage = host/a\nlimits.files = 1", "E_SETTINGS: PATH [a]: "],
    ["[a]\nimage = host/a\nother.files = 1", "E_SETTINGS: PATH: a: other.files is none of image,"],
    ["[-a]\nimage = host/a", 'E_NAME: "-a" cannot be the name of a container'],
  ])("%j is refused: %s", (text, message) => {
    expect(refusal(text).replace(path, "PATH").slice(0, message.length)).toBe(message);
  });

  it("may not have what another one has", () => {
    const sections = parseIni("[a]\nimage = host/a");
    expect(() => parseStack([path, "/other.conf"].map((each) => ({ path: each, sections })))).toThrow(
      `/other.conf: a stands in ${path}, too`,
    );
  });
});

it("what a stack says of a requirement goes before what the image says of it", () => {
  const soft = { name: "net", ready: false, hard: false };
  const hard = { name: "net", ready: true, hard: true };
  const disk = { name: "disk", ready: false, hard: false };
  const stack = { path, enable: true, overrides: {} };
  const image = { provides: ["a"], requires: [disk, soft], before: ["runtime"] };
  expect(withStack(image, { ...stack, relations: { provides: ["b", "a"], requires: [hard], before: [] } })).toEqual({
    provides: ["a", "b"],
    requires: [disk, hard],
    before: ["runtime"],
  });
  expect([withStack(image, stack), withStack(image, undefined), withStack(undefined, stack)]).toEqual([
    image,
    image,
    undefined,
  ]);
});
