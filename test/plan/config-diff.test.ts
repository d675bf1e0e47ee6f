import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../../src/image/json.ts";
import { type ConfigChange, diffConfigs, formatConfigChange } from "../../src/plan/config-diff.ts";

const diff = (from: Json, to: Json): readonly ConfigChange[] => diffConfigs(JSON.stringify(from), JSON.stringify(to));
const ofProcess = (from: Json, to: Json): readonly ConfigChange[] => diff({ process: from }, { process: to });
const ofLinux = (from: Json, to: Json): readonly ConfigChange[] => diff({ linux: from }, { linux: to });

describe("the difference of two config.json", () => {
  const mount = (destination: string, options: readonly string[], source = "/srv"): Json => ({
    ...{ destination, type: "bind", source, options },
  });
  const filter = (...syscalls: readonly Json[]): Json => ({ seccomp: { defaultAction: "SCMP_ACT_ERRNO", syscalls } });
  const calls = (action: string, ...names: readonly string[]): Json => ({ names, action });
  const deny = { allow: false, access: "rwm" };
  const tty = { allow: true, type: "c", major: 5, minor: 0, access: "rw" };
  const disk = { allow: true, type: "b", major: 8, minor: 0, access: "r" };

  it.each<[string, readonly ConfigChange[], readonly ConfigChange[]]>([
    ["nothing", diff({ a: [1, { b: null }] }, { a: [1, { b: null }] }), []],
    ["a value", diff({ hostname: "a" }, { hostname: "b" }), [{ path: "hostname", from: "a", to: "b" }]],
    ["a new one", diff({}, { hostname: "b" }), [{ path: "hostname", to: "b" }]],
    ["one that is gone", diff({ hostname: "a" }, {}), [{ path: "hostname", from: "a" }]],
    ["from null", diff({ a: null }, { a: 1 }), [{ path: "a", from: null, to: 1 }]],
    ["to null", diff({ a: 1 }, { a: null }), [{ path: "a", from: 1, to: null }]],
    ["a new null", diff({}, { a: null }), [{ path: "a", to: null }]],
    ["another type", diff({ a: { b: 1 } }, { a: [1] }), [{ path: "a", from: { b: 1 }, to: [1] }]],
    [
      "a value inside",
      diff({ a: { b: { c: 1, d: 1 } } }, { a: { b: { c: 2, d: 1 } } }),
      [{ path: "a.b.c", from: 1, to: 2 }],
    ],
    ["an object as a whole", diff({}, { a: { b: [1] } }), [{ path: "a", to: { b: [1] } }]],
    [
      "names that objects have",
      diff({}, JSON.parse('{"constructor": 1, "__proto__": 2}')),
      [
        { path: "constructor", to: 1 },
        { path: "__proto__", to: 2 },
      ],
    ],

    ["a set in another order", ofProcess({ s: ["A", "B"] }, { s: ["B", "A"] }), []],
    ["a name twice", ofProcess({ s: ["A"] }, { s: ["A", "A"] }), []],
    [
      "more and fewer names",
      ofProcess({ s: ["A", "B"] }, { s: ["B", "C"] }),
      [
        { path: "process.s.A", from: null },
        { path: "process.s.C", to: null },
      ],
    ],
    [
      "numbers",
      ofProcess({ user: { additionalGids: [1, 10] } }, { user: { additionalGids: [10] } }),
      [{ path: "process.user.additionalGids.1", from: null }],
    ],
    ["a set as a whole", ofProcess({}, { s: ["A"] }), [{ path: "process.s", to: ["A"] }]],

    [
      "arguments in another order",
      ofProcess({ args: ["a", "b"] }, { args: ["b", "a"] }),
      [{ path: "process.args", from: ["a", "b"], to: ["b", "a"] }],
    ],
    ["the same arguments", ofProcess({ args: ["a", "b"] }, { args: ["a", "b"] }), []],
    [
      "one argument more",
      ofProcess({ args: ["a"] }, { args: ["a", "a"] }),
      [{ path: "process.args", from: ["a"], to: ["a", "a"] }],
    ],

    ["the environment in another order", ofProcess({ env: ["A=1", "B=2"] }, { env: ["B=2", "A=1"] }), []],
    [
      "a variable",
      ofProcess({ env: ["A=1", "B=x=y", "D"] }, { env: ["A=2", "C=", "D"] }),
      [
        { path: "process.env.A", from: "1", to: "2" },
        { path: "process.env.B", from: "x=y" },
        { path: "process.env.C", to: "" },
      ],
    ],
    [
      "a variable twice",
      ofProcess({ env: ["A=1", "B=1"] }, { env: ["A=1", "A=2", "B=1"] }),
      [{ path: "process.env.A=2", to: null }],
    ],
    [
      "limits",
      ofProcess(
        { rlimits: [{ type: "RLIMIT_NOFILE", hard: 2, soft: 1 }] },
        { rlimits: [{ soft: 1, hard: 3, type: "RLIMIT_NOFILE" }] },
      ),
      [{ path: "process.rlimits.RLIMIT_NOFILE.hard", from: 2, to: 3 }],
    ],

    [
      "mounts in another order",
      diff({ mounts: [mount("/a", []), mount("/b", [])] }, { mounts: [mount("/b", []), mount("/a", [])] }),
      [],
    ],
    [
      "a mount's options",
      diff({ mounts: [mount("/a", ["ro", "rbind"])] }, { mounts: [mount("/a", ["rbind"])] }),
      [{ path: "mounts./a.options.ro", from: null }],
    ],
    [
      "a mount's source",
      diff({ mounts: [mount("/a", [])] }, { mounts: [mount("/a", [], "/etc")] }),
      [{ path: "mounts./a.source", from: "/srv", to: "/etc" }],
    ],
    [
      "a new mount",
      diff({ mounts: [] }, { mounts: [mount("/a", ["ro"])] }),
      [{ path: "mounts./a", to: { type: "bind", source: "/srv", options: ["ro"] } }],
    ],
    [
      "mounts on each other",
      diff({ mounts: [mount("/a", [])] }, { mounts: [mount("/a", []), mount("/a", [], "/etc")] }),
      [{ path: 'mounts.{"destination":"/a","options":[],"source":"/etc","type":"bind"}', to: null }],
    ],

    [
      "a namespace",
      ofLinux({ namespaces: [{ type: "pid" }] }, { namespaces: [{ type: "pid", path: "/x" }, { type: "ipc" }] }),
      [
        { path: "linux.namespaces.pid.path", to: "/x" },
        { path: "linux.namespaces.ipc", to: {} },
      ],
    ],
    [
      "a device node",
      ofLinux({ devices: [{ path: "/d", type: "c", minor: 1 }] }, { devices: [{ path: "/d", type: "b", minor: 1 }] }),
      [{ path: "linux.devices./d.type", from: "c", to: "b" }],
    ],
    [
      "rules for devices with keys in another order",
      ofLinux(
        { resources: { devices: [deny, tty] } },
        { resources: { devices: [{ access: "rwm", allow: false }, tty] } },
      ),
      [],
    ],
    [
      "rules for devices in another order",
      ofLinux({ resources: { devices: [deny, tty, disk] } }, { resources: { devices: [deny, disk, tty] } }),
      [{ path: "linux.resources.devices", from: [deny, tty, disk], to: [deny, disk, tty] }],
    ],
    [
      "the action for a call",
      ofLinux(filter(calls("A", "read")), filter(calls("B", "read"))),
      [{ path: "linux.seccomp.syscalls.read.action", from: "A", to: "B" }],
    ],
    [
      "rules for calls in another order",
      ofLinux(filter(calls("A", "x", "y"), calls("A", "z")), filter(calls("A", "z"), calls("A", "x", "y"))),
      [],
    ],
    [
      "two rules for a call",
      ofLinux(filter(calls("A", "x")), filter(calls("A", "x"), calls("B", "x"))),
      [{ path: `linux.seccomp.syscalls.${JSON.stringify({ action: "B", names: ["x"] })}`, to: null }],
    ],
    [
      "other objects",
      ofLinux({ uidMappings: [{ size: 1, hostID: 0 }] }, { uidMappings: [{ hostID: 0, size: 1 }, { hostID: 1 }] }),
      [{ path: 'linux.uidMappings.{"hostID":1}', to: null }],
    ],
  ])("%s", (_, changes, expected) => {
    expect(changes).toEqual(expected);
    // toEqual takes what is undefined for what is not there.
    expect(JSON.stringify(changes)).toBe(JSON.stringify(expected));
  });

  it("is none of a config.json and itself, whatever is in it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(diff(value as Json, value as Json)).toEqual([]);
      }),
    );
  });

  it("back is the same with the sides changed", () => {
    const turned = ({ path, ...sides }: ConfigChange): ConfigChange => ({
      path,
      ...(Object.hasOwn(sides, "to") ? { from: sides.to as Json } : {}),
      ...(Object.hasOwn(sides, "from") ? { to: sides.from as Json } : {}),
    });
    const byPath = (changes: readonly ConfigChange[]) => changes.map((one) => JSON.stringify(one)).sort();
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (from, to) => {
        expect(byPath(diff(to as Json, from as Json))).toEqual(byPath(diff(from as Json, to as Json).map(turned)));
      }),
    );
  });
});

it.each<[ConfigChange, string]>([
  [{ path: "a", from: "x", to: "y" }, 'a: "x" -> "y"'],
  [{ path: "a", from: 1, to: null }, "a: 1 -> null"],
  [{ path: "a", to: true }, "+ a: true"],
  [{ path: "a", from: ["x"] }, '- a: ["x"]'],
  [{ path: "s.CAP_KILL", to: null }, "+ s.CAP_KILL"],
  [{ path: "s.CAP_KILL", from: null }, "- s.CAP_KILL"],
])("%j is written as %s", (change, line) => {
  expect(formatConfigChange(change)).toBe(line);
});
